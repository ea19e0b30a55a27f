"""An order's contract: its plan, its fees, its steps and the evidence about them. Pure."""
