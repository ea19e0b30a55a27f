"""How long a test waits for what it expects.

Long: a machine that is busy with other things is slow, and a wait ends with its condition. Where a
time is what a test is about, the test says so itself.
"""

PATIENCE_SECONDS = 60.0
