"""What a training is made of: its plan, presets, state and the files it writes."""
