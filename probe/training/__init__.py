"""The parts of a training: its plan, presets, state and output files."""
