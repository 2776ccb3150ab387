"""The program as people start it: `incamera edge` in a process of its own, with a camera that speaks RTSP."""

import asyncio
import datetime as dt
import hashlib
import itertools
import re
import signal
import ssl
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from incamera.edge.simulated.cameras import SimulatedCamera
from incamera.edge.simulated.server import SimulatedCameras
from incamera.kit.ids import new_id
from incamera.media.rtsp.authentication import Credentials
from incamera.protocol.messages import (
    CameraFault,
    CameraState,
    CameraStatus,
    GapCause,
    Probe,
    ProbeResult,
    RtspSource,
    SnapshotResult,
    StreamKind,
    StreamMode,
    TakeSnapshot,
)
from tests.support.uplink_server import CHANNEL, CODE, UplinkServer


class Program:
    """`incamera edge` running, or having run."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.pid = process.pid

    @classmethod
    async def start(cls, *arguments: object) -> "Program":
        pipe = asyncio.subprocess.PIPE
        command = (sys.executable, "-m", "incamera", "edge", *map(str, arguments))
        return cls(await asyncio.create_subprocess_exec(*command, stderr=pipe, stdin=asyncio.subprocess.DEVNULL))

    async def end(self, number: signal.Signals | None = signal.SIGTERM) -> tuple[int, str]:
        """Exit status and what it said on standard error."""
        if number is not None:
            self.process.send_signal(number)
        async with asyncio.timeout(15):
            _, said = await self.process.communicate()
        assert self.process.returncode is not None
        return self.process.returncode, said.decode()


@pytest.fixture
async def cameras() -> AsyncIterator[SimulatedCameras]:
    async with SimulatedCameras(cameras=(SimulatedCamera.parse("garden"),)) as cameras:
        yield cameras


async def test_a_camera_is_recorded_probed_and_photographed(
    tmp_path: Path, server: UplinkServer, cameras: SimulatedCameras
) -> None:
    url = cameras.url("garden")
    server.want(StreamMode.RECORD, audio=StreamMode.RECORD, url=url)
    program = await Program.start("--server", server.url, "--code", CODE, "--data", tmp_path / "edge")
    await server.until(lambda: len(server.chunks()) > 30 and server.chunks(StreamKind.AUDIO), timeout_s=20)

    server.say(TakeSnapshot(request_id=new_id(), channel_id=CHANNEL))
    server.say(Probe(request_id=new_id(), source=RtspSource(url=url)))
    server.say(Probe(request_id=new_id(), source=RtspSource(url=url.replace("garden", "attic"))))
    await server.until(lambda: server.said(SnapshotResult) and len(server.said(ProbeResult)) == 2, timeout_s=20)
    status, said = await program.end()

    assert status == 0, said
    assert "no_new_privs" in said
    assert server.said(SnapshotResult)[0].picture.startswith(b"\xff\xd8")
    by_fault = {result.fault: result for result in server.said(ProbeResult)}
    assert by_fault[CameraFault.NONE].picture.startswith(b"\xff\xd8")
    assert by_fault[CameraFault.NONE].width == server.spans_of()[0].opened.width
    assert CameraFault.NOT_FOUND in by_fault
    picture, sound = server.spans_of()[0], server.spans_of(StreamKind.AUDIO)[0]
    assert picture.opened.run_started_us == sound.opened.run_started_us, "both tracks share one origin"
    assert picture.opened.run_id != sound.opened.run_id
    await server.until(lambda: picture.closed is not None)
    assert picture.closed is not None
    assert picture.closed.cause is GapCause.EDGE_STOPPED


async def test_after_a_kill_recording_resumes_within_five_seconds(
    tmp_path: Path, server: UplinkServer, cameras: SimulatedCameras
) -> None:
    server.want(StreamMode.RECORD, url=cameras.url("garden"))
    arguments = ("--server", server.url, "--code", CODE, "--data", tmp_path / "edge")
    program = await Program.start(*arguments)
    await server.until(lambda: len(server.chunks()) > 20, timeout_s=20)
    await program.end(signal.SIGKILL)

    loop = asyncio.get_running_loop()
    started_s = loop.time()
    program = await Program.start(*arguments)
    await server.until(lambda: len(server.spans_of()) == 2 and server.spans_of()[1].live, timeout_s=10)
    took_s = loop.time() - started_s
    await program.end()

    assert took_s < 5.0
    assert server.spans_of()[1].opened.gap_cause is GapCause.EDGE_RESTARTED


@pytest.mark.slow
async def test_what_a_killed_edge_had_spooled_is_not_lost(
    tmp_path: Path, server: UplinkServer, cameras: SimulatedCameras
) -> None:
    server.want(StreamMode.RECORD, url=cameras.url("garden"))
    arguments = ("--server", server.url, "--code", CODE, "--data", tmp_path / "edge")
    program = await Program.start(*arguments)
    await server.until(lambda: len(server.chunks()) > 20, timeout_s=20)
    await server.stop()
    await asyncio.sleep(5)
    await program.end(signal.SIGKILL)
    newest_us = server.chunks()[-1].wall_us

    await server.start()
    server.want(StreamMode.OFF)
    program = await Program.start(*arguments)
    await server.until(lambda: server.sealed and not list((tmp_path / "edge" / "spool").glob("*.spool")), timeout_s=20)
    await program.end()

    chunks = server.chunks()
    kept_s = (chunks[-1].wall_us - newest_us) / 1e6
    assert kept_s > 1.0, "at most the last few seconds were in memory only"
    times = [frame.decode_time for frame in chunks]
    assert all(0 < later - earlier <= 7200 for earlier, later in itertools.pairwise(times))


async def test_a_wrong_password_is_said_once_in_words(tmp_path: Path, server: UplinkServer) -> None:
    camera = SimulatedCamera.parse("garden")
    async with SimulatedCameras(cameras=(camera,), credentials=Credentials("admin", "right")) as cameras:
        server.want(StreamMode.RECORD, url=cameras.url("garden"))
        program = await Program.start("--server", server.url, "--code", CODE, "--data", tmp_path / "edge")
        await server.until(lambda: any(told.state is CameraState.OFFLINE for told in server.said(CameraStatus)), 20)
        await asyncio.sleep(2)
        _, said = await program.end()

    assert server.said(CameraStatus)[-1].fault is CameraFault.NEEDS_PASSWORD
    assert len(re.findall("wants a user name and a password", said)) == 1
    assert "127.0.0.1" not in said, "addresses are nobody's business in a log"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--server", "cams.example", "--code", CODE], "is not the address of an Incamera server"),
        (["--server", "http://cams.example", "--code", CODE], "use https"),
        (["--server", "URL", "--code", "123"], "The enrolment code looks like"),
        (["--server", "URL"], "is not enrolled yet"),
        (["--server", "URL", "--code", "00000-00000"], "This code was used or has expired."),
        (["--server", "URL", "--code", CODE, "--allow", "house"], "is not an address range"),
    ],
)
async def test_wrong_options_end_it_with_one_sentence(
    tmp_path: Path, server: UplinkServer, arguments: list[str], sentence: str
) -> None:
    given = [server.url if argument == "URL" else argument for argument in arguments]
    program = await Program.start(*given, "--data", tmp_path / "edge")

    status, said = await program.end(None)

    assert status == 1
    assert sentence in said.splitlines()[-1]
    assert "Traceback" not in said


async def test_an_unusable_data_folder_ends_it_with_one_sentence(tmp_path: Path, server: UplinkServer) -> None:
    (tmp_path / "file").write_text("")
    program = await Program.start("--server", server.url, "--code", CODE, "--data", tmp_path / "file" / "edge")

    status, said = await program.end(None)

    assert status == 1
    assert "cannot use its data folder" in said


async def test_two_edges_do_not_share_a_folder(tmp_path: Path, server: UplinkServer) -> None:
    arguments = ("--server", server.url, "--code", CODE, "--data", tmp_path / "edge")
    first = await Program.start(*arguments)
    await server.until(lambda: server.software, timeout_s=10)

    status, said = await (await Program.start(*arguments)).end(None)
    await first.end()

    assert status == 1
    assert "Another edge is using the data folder" in said
    assert (tmp_path / "edge" / "identity.json").stat().st_mode & 0o777 == 0o600


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[ssl.SSLContext, bytes]:
    """A server's own certificate that nobody vouches for, and the SHA-256 of its key."""
    return make_certificate(tmp_path / "server.pem", ec.generate_private_key(ec.SECP256R1()))


def make_certificate(pem: Path, key: ec.EllipticCurvePrivateKey) -> tuple[ssl.SSLContext, bytes]:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "cams.example")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    unencrypted = serialization.NoEncryption()
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, unencrypted)
    pem.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    public = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return context, hashlib.sha256(public).digest()


async def test_a_renewed_certificate_is_the_same_server_if_its_key_is(tmp_path: Path, server: UplinkServer) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    data = ("--data", tmp_path / "edge")
    for pem, code in (("first.pem", CODE), ("renewed.pem", None)):
        context, server.server_key_sha256 = make_certificate(tmp_path / pem, key)
        await server.stop()
        await server.start(ssl=context)
        url = server.url.replace("http", "https")
        pinned = ("--code", f"{code}-{server.server_key_sha256.hex()[:16].upper()}") if code else ()
        server.software = ""
        program = await Program.start("--server", url, *pinned, *data)
        await server.until(lambda: server.software, timeout_s=10)
        await program.end()


async def test_the_code_pins_the_servers_certificate(
    tmp_path: Path, server: UplinkServer, certificate: tuple[ssl.SSLContext, bytes]
) -> None:
    context, fingerprint = certificate
    await server.stop()
    await server.start(ssl=context)
    server.server_key_sha256 = fingerprint  # part of what the edge signs
    url = server.url.replace("http", "https")
    wrong = f"{CODE}-{'0' * 16}"
    right = f"{CODE}-{fingerprint.hex()[:16].upper()}"

    status, said = await (await Program.start("--server", url, "--code", wrong, "--data", tmp_path / "a")).end(None)
    assert status == 1
    assert "certificate is neither the one this edge knows" in said.splitlines()[-1]
    assert not server.heard, "nothing was sent"

    program = await Program.start("--server", url, "--code", right, "--data", tmp_path / "b")
    await server.until(lambda: server.software, timeout_s=10)
    await program.end()
    program = await Program.start("--server", url, "--data", tmp_path / "b")
    server.software = ""
    await server.until(lambda: server.software, timeout_s=10)
    await program.end()
