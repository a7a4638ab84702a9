"""Compute kernels: one folder an operation, one backend a file, always a plain reference."""
