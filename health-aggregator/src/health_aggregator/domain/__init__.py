"""What health means: states, damping, judgement and causes, without a clock or a network of their own."""
