"""Questions, answers, votes and lists, and the pages that show them inside Confluence."""
