"""A strict simulator of two Confluence Cloud sites and the Atlassian services around them."""
