"""Composition root: one FunctionApp and its blueprints, nothing else."""

import azure.functions as func

import lib.health
import lib.openapi
import lifecycle.triggers
import notify.triggers
import questions_api.frontend.routes
import questions_api.triggers

API = (*questions_api.triggers.RESOURCES, *notify.triggers.RESOURCES)

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
app.register_functions(lib.health.blueprint)
app.register_functions(lib.openapi.blueprint(API))
app.register_functions(lifecycle.triggers.blueprint)
app.register_functions(questions_api.frontend.routes.blueprint)
app.register_functions(questions_api.triggers.blueprint)
app.register_functions(notify.triggers.blueprint)
