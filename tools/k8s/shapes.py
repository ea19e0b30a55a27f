"""Schemas of the custom resources in use, as strict as those of Kubernetes itself.

Each has only the fields that this project uses. A new field is added here, after a look at the
documentation of its operator. A shape is a mapping of fields ("!" at the end: required), a list of
one shape, a set of allowed values, or a type.
"""

from collections.abc import Mapping
from typing import Any

_SECRET_KEY = {"name!": str, "key!": str}
_ROLE = {
    "name!": str,
    "ensure": {"present", "absent"},
    "login": bool,
    "inherit": bool,
    "createrole": bool,
    "connectionLimit": int,
    "passwordSecret": {"name!": str},
}
_ARCHIVE = {"compression": {"gzip", "bzip2", "snappy"}, "encryption": {"AES256", "aws:kms"}}
_CLUSTER = {
    "inheritedMetadata": {"labels": Mapping, "annotations": Mapping},
    "instances!": int,
    "imageName": str,
    "primaryUpdateStrategy": {"unsupervised", "supervised"},
    "primaryUpdateMethod": {"switchover", "restart"},
    "postgresql": {
        "synchronous": {
            "method!": {"any", "first"},
            "number!": int,
            "dataDurability": {"required", "preferred"},
        },
        "parameters": Mapping,
        "pg_hba": [str],
    },
    "bootstrap": {
        "initdb": {
            "database!": str,
            "owner!": str,
            "secret": {"name!": str},
            "encoding": str,
            "dataChecksums": bool,
        }
    },
    "managed": {"roles": [_ROLE]},
    "storage!": {"size!": str, "storageClass": str},
    "walStorage": {"size!": str, "storageClass": str},
    "resources": {"requests": Mapping, "limits": Mapping},
    "affinity": {"podAntiAffinityType": {"preferred", "required"}, "topologyKey": str},
    "plugins": [{"name!": str, "isWALArchiver": bool, "parameters": Mapping}],
}
_OBJECT_STORE = {
    "retentionPolicy": str,
    "configuration!": {
        "destinationPath!": str,
        "endpointURL": str,
        "s3Credentials": {"accessKeyId": _SECRET_KEY, "secretAccessKey": _SECRET_KEY},
        "wal": _ARCHIVE,
        "data": _ARCHIVE,
    },
}
_BACKUP = {
    "schedule!": str,
    "backupOwnerReference": {"none", "self", "cluster"},
    "cluster!": {"name!": str},
    "method": {"plugin", "barmanObjectStore", "volumeSnapshot"},
    "pluginConfiguration": {"name!": str, "parameters": Mapping},
}
_EXTERNAL_SECRET = {
    "refreshInterval": str,
    "secretStoreRef!": {"name!": str, "kind": {"SecretStore", "ClusterSecretStore"}},
    "target": {
        "name": str,
        "creationPolicy": {"Owner", "Orphan", "Merge", "None"},
        "template": {"type": str},
    },
    "dataFrom!": [{"extract!": {"key!": str}}],
}
_ROUTE = {
    "parentRefs!": [{"name!": str, "namespace": str, "sectionName": str}],
    "hostnames": [str],
    "rules!": [
        {
            "matches": [{"path": {"type": {"Exact", "PathPrefix"}, "value": str}}],
            "timeouts": {"request": str, "backendRequest": str},
            "backendRefs!": [{"name!": str, "port!": int}],
        }
    ],
}
_ISSUER = {"selfSigned": {}, "ca": {"secretName!": str}}
_CERTIFICATE = {
    "secretName!": str,
    "issuerRef!": {"name!": str, "kind": {"Issuer", "ClusterIssuer"}},
    "isCA": bool,
    "commonName": str,
    "duration!": str,
    "renewBefore!": str,
    "dnsNames": [str],
    "uris": [str],
    "usages": [{"digital signature", "server auth", "client auth"}],
    "privateKey!": {
        "algorithm!": {"ECDSA", "Ed25519", "RSA"},
        "size": int,
        "rotationPolicy!": {"Always", "Never"},
    },
}
_POD_MONITOR = {
    "selector!": Mapping,
    "podMetricsEndpoints!": [{"port!": str, "interval": str}],
    "podTargetLabels": [str],
}
_ALERTS = {
    "groups!": [
        {
            "name!": str,
            "rules!": [
                {
                    "alert!": str,
                    "expr!": str,
                    "for": str,
                    "labels": {"severity!": {"page", "ticket"}},
                    "annotations": {"summary!": str, "runbook!": str},
                }
            ],
        }
    ]
}
# By version and kind, of `spec`.
SHAPES: Mapping[tuple[str, str], Mapping[str, Any]] = {
    ("postgresql.cnpg.io/v1", "Cluster"): _CLUSTER,
    ("postgresql.cnpg.io/v1", "ScheduledBackup"): _BACKUP,
    ("barmancloud.cnpg.io/v1", "ObjectStore"): _OBJECT_STORE,
    ("cert-manager.io/v1", "Issuer"): _ISSUER,
    ("cert-manager.io/v1", "Certificate"): _CERTIFICATE,
    ("external-secrets.io/v1", "ExternalSecret"): _EXTERNAL_SECRET,
    ("monitoring.coreos.com/v1", "PodMonitor"): _POD_MONITOR,
    ("monitoring.coreos.com/v1", "PrometheusRule"): _ALERTS,
    ("gateway.networking.k8s.io/v1", "HTTPRoute"): _ROUTE,
}


def differences(value: object, shape: Any, *, at: str) -> list[str]:
    """List how a value differs from a shape. at: its path."""
    if isinstance(shape, set):
        return [] if value in shape else [f"{at}: {value!r} must be one of {sorted(shape)}"]
    if isinstance(shape, list):
        if not isinstance(value, list):
            return [f"{at}: must be a list"]
        return [
            found
            for place, item in enumerate(value)
            for found in differences(item, shape[0], at=f"{at}[{place}]")
        ]
    if isinstance(shape, type):
        is_right = isinstance(value, shape) and (shape is bool or not isinstance(value, bool))
        return [] if is_right else [f"{at}: must be a {shape.__name__.lower()}"]
    if not isinstance(value, Mapping):
        return [f"{at}: must be a mapping"]
    known = {field.removesuffix("!"): inner for field, inner in shape.items()}
    found = [f"{at}.{field}: is unknown" for field in value if field not in known]
    found += [
        f"{at}.{field[:-1]}: is required"
        for field in shape
        if field.endswith("!") and field[:-1] not in value
    ]
    for field in value.keys() & known.keys():
        found += differences(value[field], known[field], at=f"{at}.{field}")
    return found
