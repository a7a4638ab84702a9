"""A model set before data: what several commands share."""
