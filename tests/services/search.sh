#!/usr/bin/env bash
# search.sh fetch|start|stop|kill DIR PORT: one Elasticsearch or OpenSearch node on loopback.
#
# SEARCH_KIND=elasticsearch (9.3.2, the default), opensearch (3.6.0), both without security, or opensearch-secure: 2.19.1 with
# its security plugin, on Java 17 to 23. That one speaks TLS with broker.crt, broker.key and ca.pem of SEARCH_TLS (a folder),
# and knows two users with the password `watchfloor-test`: `admin` may do everything, `watchfloor` what the event store needs
# for indices whose names begin with wf-events, and not `GET /`.
# SEARCH_EXTRA: more lines for its settings. `fetch` needs Maven and unzip, and keeps what it fetched under ${WATCHFLOOR_SERVICES:-$HOME/.cache/watchfloor/services}.
# `start` makes DIR, waits until the node answers, and writes DIR/pid. JAVA_HOME of a JDK 21 or later, else the newest found.
set -euo pipefail
VERB=${1:?fetch, start, stop or kill}
KIND=${SEARCH_KIND:-elasticsearch}
SECURE=
case "$KIND" in
elasticsearch) GROUP=org.elasticsearch.distribution.integ-test-zip VERSION=9.3.2 ;;
opensearch) GROUP=org.opensearch.distribution.integ-test-zip VERSION=3.6.0 ;;
opensearch-secure)
    GROUP=org.opensearch.distribution.integ-test-zip VERSION=2.19.1 KIND=opensearch SECURE=-secure
    PLUGIN=org.opensearch.plugin:opensearch-security:$VERSION.0 ;;
*) echo "SEARCH_KIND=$KIND is not known" >&2; exit 2 ;;
esac
CACHE=${WATCHFLOOR_SERVICES:-$HOME/.cache/watchfloor/services}
HOME_DIR=$CACHE/$KIND-$VERSION$SECURE
REPOSITORY=${MAVEN_REPO:-$HOME/.m2/repository}

# The newest Java of those that it can run on.
java_home() {
    local versions='2[1-9]'
    [ -z "$SECURE" ] || versions='{17,2[1-3]}'
    # shellcheck disable=SC2012
    eval "ls -d /usr/lib/jvm/*-$versions-*" 2>/dev/null | sort -V | tail -1
}

fetch() {
    [ -x "$HOME_DIR/bin/$KIND" ] && return 0
    mkdir -p "$CACHE"
    local zip=$REPOSITORY/${GROUP//.//}/$KIND/$VERSION/$KIND-$VERSION.zip
    [ -f "$zip" ] || mvn -q -B dependency:get "-Dartifact=$GROUP:$KIND:$VERSION:zip" -Dtransitive=false
    # Two suites may fetch at once: unpack beside, then move.
    local fresh
    fresh=$(mktemp -d "$CACHE/unpack.XXXXXX")
    unzip -q "$zip" -d "$fresh"
    if [ -n "$SECURE" ]; then
        zip=$REPOSITORY/org/opensearch/plugin/opensearch-security/$VERSION.0/opensearch-security-$VERSION.0.zip
        [ -f "$zip" ] || mvn -q -B dependency:get "-Dartifact=$PLUGIN:zip" -Dtransitive=false
        OPENSEARCH_JAVA_HOME=$(java_home) "$fresh/$KIND-$VERSION/bin/opensearch-plugin" install -b "file://$zip" >&2
    fi
    mv -T "$fresh/$KIND-$VERSION" "$HOME_DIR" 2>/dev/null || true
    rm -rf "$fresh"
    chmod -R a+rX "$CACHE"
    [ -x "$HOME_DIR/bin/$KIND" ]
}

# The server refuses root, and must be able to reach what it runs.
as_user() { if [ "$(id -u)" = 0 ]; then runuser -u nobody -- "$@"; else "$@"; fi; }
up() {
    local scheme=http user=()
    [ -z "$SECURE" ] || { scheme=https; user=(-k -u "admin:watchfloor-test"); }
    curl -fsS -m 2 "${user[@]}" "$scheme://127.0.0.1:$PORT/_cluster/health?wait_for_status=yellow&timeout=1s" >/dev/null 2>&1
}

# Certificates, users and roles. The hash is bcrypt of `watchfloor-test`.
secure() {
    cp "${SEARCH_TLS:?}"/{broker.crt,broker.key,ca.pem} "$DIR/config/"
    local hash='$2y$12$dq4NVgCqKDlmVKiUE.IbNe20WL3E.VavcWFufYtj4hw9sbPdcRrRq'
    cat >>"$DIR/config/opensearch.yml" <<CFG
plugins.security.allow_default_init_securityindex: true
plugins.security.nodes_dn: ["CN=localhost"]
plugins.security.ssl.transport.enforce_hostname_verification: false
plugins.security.ssl.http.enabled: true
CFG
    for layer in transport http; do
        cat >>"$DIR/config/opensearch.yml" <<CFG
plugins.security.ssl.$layer.pemcert_filepath: broker.crt
plugins.security.ssl.$layer.pemkey_filepath: broker.key
plugins.security.ssl.$layer.pemtrustedcas_filepath: ca.pem
CFG
    done
    cat >"$DIR/config/opensearch-security/internal_users.yml" <<CFG
_meta: {type: internalusers, config_version: 2}
admin: {hash: "$hash", reserved: true, backend_roles: [admin]}
watchfloor: {hash: "$hash"}
CFG
    cat >"$DIR/config/opensearch-security/roles.yml" <<CFG
_meta: {type: roles, config_version: 2}
watchfloor:
  cluster_permissions: [cluster_composite_ops, cluster_manage_index_templates, "cluster:monitor/nodes/info", "cluster:monitor/state", "cluster:monitor/health"]
  index_permissions: [{index_patterns: ["wf-events*"], allowed_actions: [indices_all]}]
CFG
    cat >"$DIR/config/opensearch-security/roles_mapping.yml" <<CFG
_meta: {type: rolesmapping, config_version: 2}
all_access: {backend_roles: [admin]}
watchfloor: {users: [watchfloor]}
CFG
}

start() {
    fetch
    mkdir -p "$DIR"/{config,data,logs,tmp}
    local run=$HOME_DIR
    if [ "$(id -u)" = 0 ] && ! as_user test -x "$HOME_DIR/bin/$KIND"; then
        run=$DIR/../$KIND-$VERSION$SECURE
        [ -d "$run" ] || cp -r "$HOME_DIR" "$run"
    fi
    if [ ! -f "$DIR/config/$KIND.yml" ]; then
        cp -r "$HOME_DIR"/config/. "$DIR/config/"
        sed -i -E "/UseG1GC|G1ReservePercent|InitiatingHeapOccupancyPercent|^[0-9-]*:?-Xlog:gc|HeapDumpOnOutOfMemory/d" \
            "$DIR/config/jvm.options"
        cat >"$DIR/config/$KIND.yml" <<CFG
cluster.name: watchfloor-test
node.name: n1
path.data: $DIR/data
path.logs: $DIR/logs
network.host: 127.0.0.1
http.port: $PORT
transport.port: $((PORT + 1))
discovery.type: single-node
CFG
        [ -z "$SECURE" ] || secure
        [ "$KIND" = opensearch ] || echo "xpack.security.enabled: false" >>"$DIR/config/$KIND.yml"
        [ -z "${SEARCH_EXTRA:-}" ] || printf '%s\n' "$SEARCH_EXTRA" >>"$DIR/config/$KIND.yml"
    fi
    [ "$(id -u)" != 0 ] || chown -R nobody "$DIR"
    rm -f "$DIR/pid"
    local java=${JAVA_HOME_SEARCH:-$(java_home)}
    local options="-Xms256m -Xmx256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Djava.io.tmpdir=$DIR/tmp"
    local wrap=()
    [ "$(id -u)" != 0 ] || wrap=(runuser -u nobody --)
    setsid "${wrap[@]}" env HOME="$DIR" ES_PATH_CONF="$DIR/config" OPENSEARCH_PATH_CONF="$DIR/config" \
        ES_JAVA_HOME="$java" OPENSEARCH_JAVA_HOME="$java" ES_TMPDIR="$DIR/tmp" OPENSEARCH_TMPDIR="$DIR/tmp" \
        ES_JAVA_OPTS="$options" OPENSEARCH_JAVA_OPTS="$options" CLI_JAVA_OPTS="-Xmx32m -XX:+UseSerialGC" \
        "$run/bin/$KIND" -p "$DIR/pid" >"$DIR/out.log" 2>&1 </dev/null &
    local launcher=$!
    for _ in $(seq 1200); do
        up && return 0
        kill -0 "$launcher" 2>/dev/null || { tail -20 "$DIR/out.log" >&2; return 1; }
        sleep 0.1
    done
    echo "$KIND is not ready after two minutes" >&2
    return 1
}

DIR=${2:-} PORT=${3:-}
case "$VERB" in
fetch) fetch ;;
start) : "${DIR:?}" "${PORT:?}"; start ;;
stop)
    pid=$(cat "$DIR/pid")
    kill "$pid"
    for _ in $(seq 300); do kill -0 "$pid" 2>/dev/null || exit 0; sleep 0.1; done
    kill -9 "$pid" ;;
kill) kill -9 "$(cat "$DIR/pid")" ;;
*) echo "usage: $0 fetch|start|stop|kill DIR PORT" >&2; exit 2 ;;
esac
