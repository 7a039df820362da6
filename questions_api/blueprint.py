"""The one blueprint that the routes of all capabilities are registered on."""

import azure.functions as func

blueprint = func.Blueprint()
