"""Install, rotation and removal of the app on a Confluence site, and Confluence's webhooks."""
