"""Which proxies are compared, and how is each of them started?"""

import os
import re
import shutil
import subprocess
from dataclasses import dataclass, field

from processes import Process, free_ports

HERE = os.path.dirname(os.path.abspath(__file__))
BODY = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-." * 2
# What can be switched on for a scenario.
EXTRAS = ("policies", "cache")
BUFFERED = " buffer=64k flush=1s"
# The fields of an access log in nginx's `combined` format and a few that help to find a fault.
CHOSEN = (
    "fields: [time, client, method, host, target, status, bytes_sent, duration, endpoint, reason, request_id, referer, "
    "user_agent], headers: { request: [X-Api-Version], response: [Content-Type] }"
)


@dataclass
class Peer:
    """A proxy that can be measured."""

    name: str
    program: str
    template: str
    arguments: list
    version: list
    settings: dict = field(default_factory=dict)
    environment: dict = field(default_factory=dict)
    # Whether its standard output is its access log.
    logs_to_stdout: bool = False
    # Whether it has a cache as it is installed.
    caches: bool = False
    # How many lines its access log must have for each request.
    fewest_lines: float = 0.5


def known(portcullis):
    """Every proxy this knows, by name; `portcullis` is the path of the binary."""
    nginx = dict(program="nginx", template="nginx.conf", version=["-v"], caches=True)
    # nginx passes no upgrade on unless it is told to.
    no_upgrade = {"connection": '""', "upgrade": '""'}
    nginx_arguments = ["-p", "{dir}", "-c", "{config}", "-e", "{dir}/{name}.start.log"]
    own = dict(
        program=portcullis,
        template="portcullis.yaml",
        arguments=["run", "-c", "{config}"],
        version=["--version"],
        caches=True,
    )
    peers = [
        Peer("portcullis", settings={"access_log": "format: json"}, **own),
        Peer("portcullis-chosen", settings={"access_log": CHOSEN}, **own),
        Peer("portcullis-combined", settings={"access_log": "format: combined"}, **own),
        Peer("portcullis-sampled", settings={"access_log": "sample: 1%"}, fewest_lines=0.005, **own),
        Peer("portcullis-unlogged", settings={"access_log": "format: 'off'"}, fewest_lines=0, **own),
        Peer("nginx", arguments=nginx_arguments, settings={"log_buffer": BUFFERED, **no_upgrade}, **nginx),
        Peer("nginx-unbuffered", arguments=nginx_arguments, settings={"log_buffer": "", **no_upgrade}, **nginx),
        Peer("haproxy", "haproxy", "haproxy.cfg", ["-db", "-f", "{config}"], ["-v"], logs_to_stdout=True, caches=True),
        Peer(
            "envoy",
            "envoy",
            "envoy.yaml",
            ["-c", "{config}", "--concurrency", "1", "--disable-hot-restart", "-l", "error"],
            ["--version"],
        ),
        Peer(
            "caddy",
            "caddy",
            "Caddyfile",
            ["run", "--config", "{config}", "--adapter", "caddyfile"],
            ["version"],
            environment={"GOMAXPROCS": "1", "XDG_DATA_HOME": "{dir}/caddy", "XDG_CONFIG_HOME": "{dir}/caddy"},
        ),
    ]
    return {peer.name: peer for peer in peers}


def is_installed(peer):
    """Whether its program can be run."""
    return shutil.which(peer.program) is not None


def version(peer):
    """The first line of what it says about its version."""
    said = subprocess.run([peer.program, *peer.version], capture_output=True, text=True, timeout=20)
    lines = (said.stdout + said.stderr).strip().splitlines()
    return lines[0] if lines else "unknown"


class Place:
    """What all processes of a run share: directory, certificate, origin, limits, cores."""

    def __init__(self, directory, files, connections, proxy_cores, load_cores):
        self.directory = directory
        self.proxy_cores = proxy_cores
        self.load_cores = load_cores
        self.values = {
            "dir": directory,
            "files": files,
            "connections": connections,
            "certificate": f"{directory}/certificate.pem",
            "key": f"{directory}/key.pem",
            "pem": f"{directory}/both.pem",
            "body": BODY,
            # What reloads.py adds and takes away.
            "endpoints": "",
            "routes": "",
        }
        self._make_certificate()

    def _make_certificate(self):
        certificate, key = self.values["certificate"], self.values["key"]
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
            + ["-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
            + ["-keyout", key, "-out", certificate],
            check=True,
            capture_output=True,
        )
        with open(self.values["pem"], "w") as both:
            for part in (certificate, key):
                with open(part) as pem:
                    both.write(pem.read())

    def write(self, template, path, values):
        """Writes a configuration: every @name@ of the template becomes its value, and its lines that end with `# policies`
        or `# cache` are left out where that is not what is switched on."""
        with open(os.path.join(HERE, "conf", template)) as source:
            off = tuple(f"# {extra}" for extra in EXTRAS if extra != values.get("extra"))
            lines = [line for line in source if not line.rstrip().endswith(off)]
        text = re.sub(r"@([a-z_]+)@", lambda found: str(values[found[1]]), "".join(lines))
        with open(path, "w") as config:
            config.write(text)

    def start_origin(self, fallback):
        """Starts nginx as the origin or, where it is not installed, the program `fallback`."""
        (port,) = free_ports(1)
        self.values["origin"] = port
        if shutil.which("nginx"):
            with open(f"{self.directory}/1m", "wb") as large:
                large.write(BODY.encode() * ((1 << 20) // len(BODY)))
            with open(f"{self.directory}/16k", "wb") as medium:
                medium.write(BODY.encode() * ((16 << 10) // len(BODY)))
            config = f"{self.directory}/origin.conf"
            self.write("origin.conf", config, self.values)
            command = ["nginx", "-p", self.directory, "-c", config, "-e", f"{self.directory}/origin.start.log"]
        else:
            command = [fallback, "--name", "a", "--listen", f"127.0.0.1:{port}", "--threads", "1"]
        origin = Process("origin", command, self.load_cores, f"{self.directory}/origin.out")
        return _ready(origin, [port])

    def start(self, peer, extra=""):
        """Starts a proxy on ports of its own, with what is switched on for a scenario."""
        plain, tls, admin = free_ports(3)
        name = f"{peer.name}-{plain}"
        config, log = (f"{self.directory}/{name}.{kind}" for kind in ("conf", "access.log"))
        values = {**self.values, **peer.settings, "name": name, "plain": plain, "tls": tls, "admin": admin, "log": log}
        values["extra"] = extra
        self.write(peer.template, config, values)

        def filled(text):
            return text.format(config=config, dir=self.directory, name=name)

        process = Process(
            peer.name,
            [peer.program, *map(filled, peer.arguments)],
            self.proxy_cores,
            log if peer.logs_to_stdout else f"{self.directory}/{name}.out",
            {key: filled(value) for key, value in peer.environment.items()},
        )
        return Running(peer, _ready(process, [plain, tls]), plain, tls, log, config, values)

    def rewrite(self, running, values):
        """Gives a proxy another configuration, in one step: who reads it finds the old one or the new one."""
        beside = running.config + ".new"
        self.write(running.peer.template, beside, {**running.values, **values})
        os.rename(beside, running.config)


@dataclass
class Running:
    """A proxy that accepts connections."""

    peer: Peer
    process: Process
    plain: int
    tls: int
    log: str
    config: str
    values: dict

    @property
    def name(self):
        """The name of the proxy."""
        return self.peer.name

    @property
    def extra(self):
        """What is switched on for a scenario."""
        return self.values["extra"]

    def take_log_lines(self):
        """How many lines the access log has got since the last call; it is emptied, so that no run fills the disk."""
        if not os.path.exists(self.log):
            return 0
        with open(self.log, "r+b") as log:
            try:
                # A writer that does not append leaves a hole where it was emptied before.
                log.seek(0, os.SEEK_DATA)
            except OSError:
                return 0
            lines = sum(piece.count(b"\n") for piece in iter(lambda: log.read(1 << 20), b""))
            log.truncate(0)
        return lines


def _ready(process, ports):
    try:
        process.wait_for(ports)
    except BaseException:
        process.stop()
        raise
    return process
