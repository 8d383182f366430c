"""Who may use the gateway: tokens and lockout."""
