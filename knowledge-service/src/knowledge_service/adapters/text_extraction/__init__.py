"""Text of files: plain text and Markdown, and PDF and DOCX in a process of their own."""
