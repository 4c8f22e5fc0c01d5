"""The pages for people: templates, and the files that they load. No build step."""
