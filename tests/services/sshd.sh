#!/usr/bin/env bash
# sshd.sh fetch|start|stop|kill DIR PORT: a real sshd on 127.0.0.1 with keys of its own, for the user who runs it.
set -euo pipefail
VERB=${1:?fetch|start|stop|kill} DIR=${2:-} PORT=${3:-}
case "$VERB" in
fetch) command -v /usr/sbin/sshd >/dev/null || { echo "openssh-server is not installed" >&2; exit 1; } ;;
start)
    mkdir -p "$DIR"; chmod 700 "$DIR"
    # sshd of root wants its folder for the separation of privileges.
    [ "$(id -u)" != 0 ] || mkdir -p /run/sshd
    [ -f "$DIR/host" ] || ssh-keygen -q -t ed25519 -N '' -f "$DIR/host"
    if [ ! -f "$DIR/user" ]; then
        ssh-keygen -q -t ed25519 -N '' -f "$DIR/user"
        cp "$DIR/user.pub" "$DIR/authorized_keys"; chmod 600 "$DIR/authorized_keys"
    fi
    cat >"$DIR/sshd_config" <<CFG
ListenAddress 127.0.0.1
Port $PORT
HostKey $DIR/host
PidFile $DIR/pid
AuthorizedKeysFile $DIR/authorized_keys
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
UseDNS no
PrintMotd no
CFG
    [ -f "$DIR/known_hosts" ] || echo "[127.0.0.1]:$PORT $(cut -d' ' -f1,2 "$DIR/host.pub")" >"$DIR/known_hosts"
    /usr/sbin/sshd -f "$DIR/sshd_config" -E "$DIR/log"
    for _ in $(seq 100); do
        (exec 3<>"/dev/tcp/127.0.0.1/$PORT"; read -t 2 -r -N 4 l <&3; [ "$l" = SSH- ]) 2>/dev/null && exit 0
        sleep 0.05
    done
    tail "$DIR/log" >&2; exit 1 ;;
stop | kill)
    # The listener, and the sessions that it left: their parent is the listener's process.
    pid=$(cat "$DIR/pid" 2>/dev/null) || exit 0
    pkill -KILL -P "$pid" 2>/dev/null || true
    [ "$VERB" = stop ] && kill "$pid" 2>/dev/null || kill -9 "$pid" 2>/dev/null || true
    rm -f "$DIR/pid" ;;
*) echo "usage: $0 fetch|start|stop|kill DIR PORT" >&2; exit 2 ;;
esac
