/* viewers - many light viewers of one stream, in one process.
 *
 *   viewers ws|http|rtsp PORT PATH COUNT SECONDS [--hello FILE] [--stop COUNT]
 *
 * ws    WebSocket; line i of FILE is the first message of viewer i; binary messages are media
 * http  one endless GET; everything after the head counts as media
 * rtsp  the picture of a session over TCP; everything after the answer to PLAY counts as media
 *
 * Prints STEADY two seconds after the last viewer connected, then measures for SECONDS and prints one JSON object: how
 * many received media, the lowest and the median rate, the longest silence of any of them, and for our own stream
 * (24 bytes of viewer header, wall time at byte 16) the delay from a picture's arrival at the edge to its full receipt
 * here, both clocks being the same.
 *
 * --stop: three windows instead of one. Before the third one that many viewers stop reading for good, with small
 * buffers, as if their line were cut; its figures are those of the others. `change_ms` compares each viewer's own p99
 * in a window to the one before: the second shows what changes by itself.
 *
 * Nothing is decoded, so that the load stays below that of the server it measures.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { VIEWER_HEADER = 24, WINDOWS = 3, BINARY = 2, PING = 9, PONG = 10 };
static const double settle_s = 2, pause_s = 0.004, fill_s = 5;

typedef struct {
    int fd, is_stopped, is_closed;
    long long received;
    double last_at, longest_gap;
    /* where we are in the WebSocket frames */
    unsigned char head[14], payload[VIEWER_HEADER];
    int head_length, payload_length, opcode, is_final;
    long long frame_left;
    float *delays;
    size_t count, room;
    float p99[WINDOWS];
} Viewer;

static Viewer *viewers;
static int count, is_ws, is_rtsp, port, poll_fd, is_measuring;
static const char *path;

static void fail(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, strerror(errno));
    exit(1);
}

static double seconds_of(clockid_t clock)
{
    struct timespec at;
    clock_gettime(clock, &at);
    return (double)at.tv_sec + (double)at.tv_nsec / 1e9;
}

static void note_delay(Viewer *viewer)
{
    if (!is_measuring || viewer->payload_length < VIEWER_HEADER)
        return;
    int64_t wall_us = 0;
    for (int i = 16; i < VIEWER_HEADER; i++)
        wall_us = wall_us << 8 | viewer->payload[i];
    if (viewer->count == viewer->room) {
        viewer->room = viewer->room ? viewer->room * 2 : 256;
        viewer->delays = realloc(viewer->delays, viewer->room * sizeof *viewer->delays);
        if (!viewer->delays)
            fail("memory");
    }
    viewer->delays[viewer->count++] = (float)(seconds_of(CLOCK_REALTIME) * 1e3 - (double)wall_us / 1e3);
}

static int header_length(const Viewer *viewer)
{
    if (viewer->head_length < 2)
        return 2;
    int code = viewer->head[1] & 127;
    return 2 + (code == 126 ? 2 : code == 127 ? 8 : 0);
}

/* A server hangs up on a peer that is silent for long (RFC 6455 5.5.2); the masking key is zero. */
static void answer_ping(const Viewer *viewer)
{
    unsigned char pong[6 + VIEWER_HEADER] = {0x80 | PONG, (unsigned char)(0x80 | viewer->payload_length)};
    memcpy(pong + 6, viewer->payload, (size_t)viewer->payload_length);
    send(viewer->fd, pong, (size_t)(6 + viewer->payload_length), MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void end_frame(Viewer *viewer)
{
    if (viewer->is_final && viewer->opcode == BINARY)
        note_delay(viewer);
    else if (viewer->opcode == PING)
        answer_ping(viewer);
}

static void begin_frame(Viewer *viewer)
{
    int code = viewer->head[1] & 127;
    long long size = code < 126 ? code : 0;
    for (int i = 2; i < viewer->head_length; i++)
        size = size << 8 | viewer->head[i];
    if (viewer->head[0] & 15) { /* not a continuation */
        viewer->opcode = viewer->head[0] & 15;
        viewer->payload_length = 0;
    }
    viewer->is_final = viewer->head[0] >> 7;
    viewer->frame_left = size;
    viewer->head_length = 0;
    if (!size)
        end_frame(viewer);
}

static void read_frames(Viewer *viewer, const unsigned char *at, ssize_t size)
{
    while (size > 0) {
        if (!viewer->frame_left) {
            viewer->head[viewer->head_length++] = *at++, size--;
            if (viewer->head_length >= 2 && viewer->head_length == header_length(viewer))
                begin_frame(viewer);
            continue;
        }
        ssize_t part = size < viewer->frame_left ? size : (ssize_t)viewer->frame_left;
        int room = VIEWER_HEADER - viewer->payload_length;
        int keep = part < room ? (int)part : room;
        memcpy(viewer->payload + viewer->payload_length, at, (size_t)keep);
        viewer->payload_length += keep;
        at += part, size -= part, viewer->frame_left -= part;
        if (!viewer->frame_left)
            end_frame(viewer);
    }
}

static void receive(Viewer *viewer)
{
    static unsigned char buffer[1 << 18];
    ssize_t size = recv(viewer->fd, buffer, sizeof buffer, 0);
    if (size <= 0) {
        if (size == 0 || (errno != EAGAIN && errno != EINTR)) {
            epoll_ctl(poll_fd, EPOLL_CTL_DEL, viewer->fd, NULL);
            viewer->is_closed = 1;
        }
        return;
    }
    double now = seconds_of(CLOCK_MONOTONIC);
    if (viewer->last_at > 0 && now - viewer->last_at > viewer->longest_gap)
        viewer->longest_gap = now - viewer->last_at;
    viewer->last_at = now;
    viewer->received += size;
    if (is_ws)
        read_frames(viewer, buffer, size);
}

static void receive_for(double seconds)
{
    double until = seconds_of(CLOCK_MONOTONIC) + seconds, left;
    struct epoll_event events[512];
    while ((left = until - seconds_of(CLOCK_MONOTONIC)) > 0) {
        int found = epoll_wait(poll_fd, events, 512, (int)(left * 1e3) + 1);
        for (int i = 0; i < found; i++)
            receive(&viewers[events[i].data.u32]);
    }
}

static void send_all(int fd, const void *data, size_t size)
{
    if (send(fd, data, size, MSG_NOSIGNAL) != (ssize_t)size)
        fail("send");
}

static void say(int fd, const char *text)
{
    unsigned char frame[4096] = {0x81};
    size_t size = strlen(text), at = 2;
    if (size > sizeof frame - 8) {
        fprintf(stderr, "a first message is too long\n");
        exit(1);
    }
    if (size < 126) {
        frame[1] = (unsigned char)(0x80 | size);
    } else {
        frame[1] = 0x80 | 126, frame[2] = (unsigned char)(size >> 8), frame[3] = (unsigned char)size;
        at = 4;
    }
    memcpy(frame + at + 4, text, size); /* the masking key is zero */
    send_all(fd, frame, at + 4 + size);
}

/* One request and the whole answer to it. */
static void ask(int fd, int number, const char *method, const char *url, const char *headers, char *answer, size_t room)
{
    char request[1536];
    int size = snprintf(request, sizeof request, "%s %s RTSP/1.0\r\nCSeq: %d\r\n%s\r\n", method, url, number, headers);
    if (size >= (int)sizeof request) {
        fprintf(stderr, "a request is too long\n");
        exit(1);
    }
    send_all(fd, request, (size_t)size);
    size_t got = 0, wanted = 0;
    while (!wanted || got < wanted) {
        if (got + 1 >= room || recv(fd, answer + got, 1, 0) != 1)
            fail("no answer to a request");
        answer[++got] = 0;
        if (!wanted && got >= 4 && !memcmp(answer + got - 4, "\r\n\r\n", 4)) {
            const char *length = strcasestr(answer, "\nContent-Length:");
            wanted = got + (length ? strtoul(length + 16, NULL, 10) : 0);
        }
    }
    if (strncmp(answer, "RTSP/1.0 200", 12)) {
        fprintf(stderr, "%s refused: %.60s\n", method, answer);
        exit(1);
    }
}

/* What stands behind a header's name, or in a line of a description, up to any byte of `ends`. */
static int find(const char *text, const char *name, const char *ends, char *value, size_t room)
{
    const char *at = strcasestr(text, name);
    if (!at)
        return 0;
    at += strlen(name);
    at += strspn(at, " ");
    snprintf(value, room, "%.*s", (int)strcspn(at, ends), at);
    return 1;
}

static void play_rtsp(int fd)
{
    char answer[16384], url[300], base[300], control[300], track[620], session[128], headers[400];
    snprintf(url, sizeof url, "rtsp://127.0.0.1:%d%s", port, path);
    ask(fd, 1, "DESCRIBE", url, "Accept: application/sdp\r\n", answer, sizeof answer);
    const char *video = strstr(answer, "\nm=video");
    if (!video || !find(video, "\na=control:", "\r\n", control, sizeof control)) {
        fprintf(stderr, "there is no picture at %s\n", url);
        exit(1);
    }
    if (!find(answer, "\nContent-Base:", "\r\n", base, sizeof base))
        snprintf(base, sizeof base, "%s", url);
    if (strncmp(control, "rtsp:", 5)) /* RFC 2326 C.1.1 */
        snprintf(track, sizeof track, "%s%s%s", base, base[strlen(base) - 1] == '/' ? "" : "/", control);
    else
        snprintf(track, sizeof track, "%s", control);
    ask(fd, 2, "SETUP", track, "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n", answer, sizeof answer);
    if (!find(answer, "\nSession:", ";\r\n", session, sizeof session)) {
        fprintf(stderr, "the answer to SETUP names no session\n");
        exit(1);
    }
    snprintf(headers, sizeof headers, "Session: %s\r\nRange: npt=0.000-\r\n", session);
    ask(fd, 3, "PLAY", base, headers, answer, sizeof answer);
}

static void open_viewer(Viewer *viewer, const char *hello, int has_small_buffer)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    struct timeval patience = {.tv_sec = 15};
    int one = 1, small = 64 * 1024;
    char head[2048], answer[4096];
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    viewer->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (has_small_buffer)
        setsockopt(viewer->fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    setsockopt(viewer->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(viewer->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (viewer->fd < 0 || connect(viewer->fd, (struct sockaddr *)&address, sizeof address))
        fail("connect");
    if (is_rtsp) {
        play_rtsp(viewer->fd);
        fcntl(viewer->fd, F_SETFL, O_NONBLOCK);
        return;
    }
    int size = snprintf(head, sizeof head, "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n%s\r\n", path, port,
                        is_ws ? "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                              : "");
    send_all(viewer->fd, head, (size_t)size);
    size_t got = 0;
    while (got < 4 || memcmp(answer + got - 4, "\r\n\r\n", 4)) {
        if (got == sizeof answer || recv(viewer->fd, answer + got, 1, 0) != 1)
            fail("no answer to the request");
        got++;
    }
    if (memcmp(answer + 9, is_ws ? "101" : "200", 3)) {
        fprintf(stderr, "refused: %.60s\n", answer);
        exit(1);
    }
    if (is_ws)
        say(viewer->fd, hello);
    fcntl(viewer->fd, F_SETFL, O_NONBLOCK);
}

static int by_size(const void *a, const void *b)
{
    float left = *(const float *)a, right = *(const float *)b;
    return (left > right) - (left < right);
}

static float at_share(const float *ordered, size_t size, double share)
{
    return size ? ordered[(size_t)((double)(size - 1) * share)] : 0;
}

static void report_delays(int window)
{
    size_t total = 0, used = 0;
    float worst = 0, change = 0;
    int changed = 0;
    for (int i = 0; i < count; i++)
        total += viewers[i].is_stopped ? 0 : viewers[i].count;
    if (!total)
        return;
    float *all = malloc(total * sizeof *all);
    for (int i = 0; i < count; i++) {
        Viewer *viewer = &viewers[i];
        if (viewer->is_stopped)
            continue;
        memcpy(all + used, viewer->delays, viewer->count * sizeof *all);
        used += viewer->count;
        qsort(viewer->delays, viewer->count, sizeof *all, by_size);
        viewer->p99[window] = at_share(viewer->delays, viewer->count, 0.99);
        worst = viewer->p99[window] > worst ? viewer->p99[window] : worst;
        float grown = window ? viewer->p99[window] - viewer->p99[window - 1] : 0;
        change = !changed++ || grown > change ? grown : change;
    }
    qsort(all, total, sizeof *all, by_size);
    printf(", \"delay_p50_ms\": %.2f, \"delay_p99_ms\": %.2f, \"worst_viewer_p99_ms\": %.2f, \"change_ms\": %.2f",
           at_share(all, total, 0.5), at_share(all, total, 0.99), worst, change);
    free(all);
}

static void report(int window, double seconds)
{
    float *rates = malloc((size_t)count * sizeof *rates);
    double gap = 0;
    int used = 0, receiving = 0;
    for (int i = 0; i < count; i++) {
        if (viewers[i].is_stopped)
            continue;
        rates[used] = (float)((double)viewers[i].received * 8 / seconds / 1e6);
        receiving += rates[used++] > 0.01F;
        gap = viewers[i].longest_gap > gap ? viewers[i].longest_gap : gap;
    }
    qsort(rates, (size_t)used, sizeof *rates, by_size);
    printf("%s{\"viewers\": %d, \"receiving\": %d, \"min_mbit_s\": %.3f, \"median_mbit_s\": %.3f,"
           " \"longest_gap_ms\": %.1f",
           window ? ", " : "", used, receiving, used ? rates[0] : 0, at_share(rates, (size_t)used, 0.5), gap * 1e3);
    report_delays(window);
    printf("}");
    free(rates);
}

static void measure(int window, double seconds)
{
    for (int i = 0; i < count; i++)
        viewers[i].received = 0, viewers[i].longest_gap = 0, viewers[i].count = 0;
    is_measuring = 1;
    double started = seconds_of(CLOCK_MONOTONIC);
    receive_for(seconds);
    double took = seconds_of(CLOCK_MONOTONIC) - started;
    is_measuring = 0;
    report(window, took);
}

static void stop_reading(int how_many)
{
    for (int i = 0; i < how_many && i < count; i++) {
        int at = i * (count / how_many); /* spread over those who came early and late */
        if (!viewers[at].is_closed)
            epoll_ctl(poll_fd, EPOLL_CTL_DEL, viewers[at].fd, NULL);
        viewers[at].is_stopped = 1;
    }
}

int main(int argc, char **argv)
{
    if (argc < 6) {
        fprintf(stderr, "viewers ws|http|rtsp PORT PATH COUNT SECONDS [--hello FILE] [--stop COUNT]\n");
        return 2;
    }
    is_ws = !strcmp(argv[1], "ws"), is_rtsp = !strcmp(argv[1], "rtsp");
    port = atoi(argv[2]), path = argv[3], count = atoi(argv[4]);
    double seconds = atof(argv[5]);
    FILE *hellos = NULL;
    int stopping = 0;
    for (int i = 6; i + 1 < argc; i += 2) {
        if (!strcmp(argv[i], "--hello") && !(hellos = fopen(argv[i + 1], "r")))
            fail(argv[i + 1]);
        if (!strcmp(argv[i], "--stop"))
            stopping = atoi(argv[i + 1]) < count ? atoi(argv[i + 1]) : count - 1;
    }
    struct rlimit most;
    getrlimit(RLIMIT_NOFILE, &most);
    most.rlim_cur = most.rlim_max;
    setrlimit(RLIMIT_NOFILE, &most);
    poll_fd = epoll_create1(0);
    viewers = calloc((size_t)count, sizeof *viewers);
    for (int i = 0; i < count; i++) {
        char hello[4000] = "";
        if (is_ws && (!hellos || !fgets(hello, sizeof hello, hellos))) {
            fprintf(stderr, "too few first messages\n");
            return 1;
        }
        hello[strcspn(hello, "\n")] = 0;
        int may_stop = stopping && i % (count / stopping) == 0 && i / (count / stopping) < stopping;
        open_viewer(&viewers[i], hello, may_stop);
        struct epoll_event event = {.events = EPOLLIN, .data.u32 = (uint32_t)i};
        epoll_ctl(poll_fd, EPOLL_CTL_ADD, viewers[i].fd, &event);
        receive_for(pause_s);
    }
    receive_for(settle_s);
    printf("STEADY\n");
    fflush(stdout);
    printf("[");
    measure(0, seconds);
    if (stopping) {
        measure(1, seconds);
        stop_reading(stopping);
        receive_for(fill_s);
        measure(2, seconds);
    }
    printf("]\n");
    return 0;
}
