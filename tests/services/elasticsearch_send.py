"""Send documents with Elastic's own client: elasticsearch_send.py URL CERTIFICATE KEY COUNT. Prints how many were taken."""

import base64
import sys

from elasticsearch import Elasticsearch, helpers

url, certificate, key, count = sys.argv[1:]
client = Elasticsearch(
    url,
    ca_certs=certificate,
    api_key=base64.b64encode(f"shop:{key}".encode()).decode(),
    http_compress=True,
    request_timeout=30,
)
print(client.info()["version"]["number"])
client.indices.put_index_template(name="logs", index_patterns=["logs*"])
documents = (
    {
        "_op_type": "create",
        "_index": "logs",
        "@timestamp": "2026-11-22T08:00:00Z",
        "message": f"document {number}",
        "host": {"name": "web08"},
    }
    for number in range(int(count))
)
taken, faults = helpers.bulk(client, documents, chunk_size=500)
print(taken, len(faults))
