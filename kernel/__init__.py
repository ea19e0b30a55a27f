"""The shared kernel: values that every context uses. Standard library only, no I/O."""
