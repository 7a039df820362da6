"""A small v2 app for the tests of the local host: one FunctionApp, two blueprints."""

import azure.functions as func
from http_functions import bp as http_functions  # type: ignore[import-not-found]
from queue_functions import bp as queue_functions  # type: ignore[import-not-found]

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
app.register_functions(http_functions)
app.register_functions(queue_functions)
