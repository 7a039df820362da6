"""Chat products as the app sees them: their incoming webhooks, checked strictly, and a page that shows what arrived."""
