"""Run by the official client's interpreter: the methods of the API classes, their arguments, which are required."""

import inspect
import json
import sys

import constant_contact_api_client as cc

print(
    json.dumps(
        {
            api: {
                name: {
                    argument: parameter.default is inspect.Parameter.empty
                    for argument, parameter in inspect.signature(method).parameters.items()
                    if not argument.startswith("_") and argument != "self"
                }
                for name, method in vars(getattr(cc, api)).items()
                if not name.startswith("_")
                and not name.endswith(("_with_http_info", "_without_preload_content"))
            }
            for api in sys.argv[1:]
        }
    )
)
