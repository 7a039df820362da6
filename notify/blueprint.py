"""The blueprint that everything of chat registers its functions on."""

import azure.functions as func

blueprint = func.Blueprint()
