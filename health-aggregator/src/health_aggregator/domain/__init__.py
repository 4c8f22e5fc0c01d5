"""States, damping, evaluation and causes, without a clock or a network; and the ports."""
