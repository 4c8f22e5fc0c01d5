"""Users: entities, rules, errors, and the ports that the use cases need."""
