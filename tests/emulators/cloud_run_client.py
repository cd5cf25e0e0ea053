"""Google's own client of the Cloud Run Admin API v2, generated from the API's description, as it comes with gcloud.

gcloud 528 itself manages services by the older v1 (knative) API. Prints one JSON document: the fields that a service has by the API's
description, and what the client makes of an emulator's answers.

Arguments: gcloud's installation, the API's endpoint, an access token.
"""

import json
import sys

root, endpoint, token = sys.argv[1:4]
sys.path[:0] = [root + "/lib", root + "/lib/third_party"]

import httplib2  # noqa: E402
from apitools.base.protorpclite import messages  # noqa: E402
from apitools.base.py import encoding, exceptions  # noqa: E402
from googlecloudsdk.generated_clients.apis.run.v2 import run_v2_client, run_v2_messages as m  # noqa: E402


class Http(httplib2.Http):
    def request(self, uri, method="GET", body=None, headers=None, **options):
        headers = dict(headers or {}, authorization="Bearer " + token)
        return super().request(uri, method=method, body=body, headers=headers, **options)


def fields_of(message):
    fields = {}
    for field in message.all_fields():
        if not isinstance(field, messages.MessageField):
            fields[field.name] = "value"
        elif field.message_type.__name__.endswith("Value") and hasattr(field.message_type, "additionalProperties"):
            fields[field.name] = "value"
        else:
            fields[field.name] = fields_of(field.message_type)
    return fields


client = run_v2_client.RunV2(url=endpoint, get_credentials=False, http=Http())
services = client.projects_locations_services
operations = client.projects_locations_operations
PARENT = "projects/demo-project/locations/us-central1"
NAME = PARENT + "/services/web"


def done(operation):
    while not operation.done:
        operation = operations.Get(m.RunProjectsLocationsOperationsGetRequest(name=operation.name))
    return operation


def get():
    return services.Get(m.RunProjectsLocationsServicesGetRequest(name=NAME))


def container(**fields):
    return m.GoogleCloudRunV2Container(image="us-docker.pkg.dev/p/r/app:1", **fields)


def patch(mask, **fields):
    request = m.RunProjectsLocationsServicesPatchRequest(
        name=NAME, updateMask=mask, googleCloudRunV2Service=m.GoogleCloudRunV2Service(**fields)
    )
    return done(services.Patch(request))


def template(*containers):
    return m.GoogleCloudRunV2RevisionTemplate(containers=list(containers))


done(
    services.Create(
        m.RunProjectsLocationsServicesCreateRequest(
            parent=PARENT,
            serviceId="web",
            googleCloudRunV2Service=m.GoogleCloudRunV2Service(template=template(container())),
        )
    )
)
first = get()
Target = m.GoogleCloudRunV2TrafficTarget
Type = Target.TypeValueValuesEnum
old = first.latestReadyRevision.split("/")[-1]
patch(
    "template,traffic",
    template=template(
        container(name="krun", ports=[m.GoogleCloudRunV2ContainerPort(name="h2c", containerPort=15009)]),
        container(name="app", dependsOn=["krun"]),
    ),
    traffic=[
        Target(type=Type.TRAFFIC_TARGET_ALLOCATION_TYPE_REVISION, revision=old, percent=100),
        Target(type=Type.TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST, tag="mesh"),
    ],
)
second = get()
try:
    patch("labels", etag=first.etag)
    stale = None
except exceptions.HttpConflictError as error:
    stale = json.loads(error.content)["error"]["status"]
revision = client.projects_locations_services_revisions.Get(
    m.RunProjectsLocationsServicesRevisionsGetRequest(name=second.latestCreatedRevision)
)
print(
    json.dumps(
        {
            "fields": fields_of(m.GoogleCloudRunV2Service),
            "service": encoding.MessageToPyValue(second),
            "revision": encoding.MessageToPyValue(revision),
            "stale": stale,
        }
    )
)
