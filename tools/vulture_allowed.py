"""Names that look unused and are not: frameworks call them."""

settings_cls = dotenv_settings = file_secret_settings = None  # pydantic-settings passes them by name
