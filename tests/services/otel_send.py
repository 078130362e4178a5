"""Send log records and spans with OpenTelemetry's own exporters: otel_send.py http|grpc ENDPOINT CERTIFICATE KEY COUNT.

Prints what each export came to; exits 0 only if all were taken.
"""

import logging
import sys

from opentelemetry.sdk._logs import LoggerProvider, LoggingHandler
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

protocol, endpoint, certificate, key, count = sys.argv[1:]
count = int(count)
resource = Resource.create({"service.name": "shop", "host.name": "web07"})

if protocol == "http":
    from opentelemetry.exporter.otlp.proto.http import Compression
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    options = {
        "certificate_file": certificate,
        "headers": {"X-API-KEY": key},
        "compression": Compression.Gzip,
        "timeout": 20,
    }
    logs = OTLPLogExporter(endpoint=endpoint + "/v1/logs", **options)
    spans = OTLPSpanExporter(endpoint=endpoint + "/v1/traces", **options)
else:
    import grpc
    from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter

    with open(certificate, "rb") as file:
        credentials = grpc.ssl_channel_credentials(file.read())
    options = {
        "credentials": credentials,
        "headers": (("x-api-key", key),),
        "compression": grpc.Compression.Gzip,
        "timeout": 20,
    }
    logs = OTLPLogExporter(endpoint=endpoint, **options)
    spans = OTLPSpanExporter(endpoint=endpoint, **options)

outcomes = []


def watched(exporter):
    """The processors keep what an export came to for themselves."""
    export = exporter.export

    def seen(batch, *arguments, **named):
        outcome = export(batch, *arguments, **named)
        outcomes.append(outcome.name)
        return outcome

    exporter.export = seen
    return exporter


logger_provider = LoggerProvider(resource=resource)
logger_provider.add_log_record_processor(BatchLogRecordProcessor(watched(logs)))
tracer_provider = TracerProvider(resource=resource)
tracer_provider.add_span_processor(BatchSpanProcessor(watched(spans)))
logger = logging.getLogger("shop")
logger.setLevel(logging.INFO)
logger.propagate = False
logger.addHandler(LoggingHandler(logger_provider=logger_provider))
tracer = tracer_provider.get_tracer("shop")

for number in range(count):
    with tracer.start_as_current_span(f"order {number}"):
        logger.warning("order %d of %s", number, protocol)

logger_provider.shutdown()
tracer_provider.shutdown()
print(",".join(outcomes))
sys.exit(0 if outcomes and all(outcome == "SUCCESS" for outcome in outcomes) else 1)
