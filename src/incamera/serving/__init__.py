"""How the server meets the network: listeners and TLS, guards around requests, errors, logs, metrics, static files.

Nothing here decides about cameras or people. `app.py` puts these parts around the features; `docs/design/serving.md`
tells the order of the guards.
"""
