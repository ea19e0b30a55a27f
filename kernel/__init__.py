"""The shared kernel: values every context agrees on. Standard library only, no I/O."""
