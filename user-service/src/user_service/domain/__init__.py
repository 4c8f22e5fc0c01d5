"""People as the business sees them: nouns, rules, errors, and what the use cases need."""
