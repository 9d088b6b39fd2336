/*
 * Entry of the load generator; `load/load.h` says what it is.
 *
 *   load -stream HOST PORT -emit HOST PORT -streams N [-requests FILE] [-sources N] [-stuck] [-poll MICROSECONDS]
 *        [-opening N] [-replay N] [-nice N] [-emit-path PATH] [-emit-headers LINES] [-body TEMPLATE] [-server PID]...
 *
 * Prints {"open":N,…} when all streams are open and have had N events each of -replay. Then one line of standard input is one run,
 *   lockstep|closed|rate|hear PUBLISHERS COUNT RATE BYTES DEADLINE_SECONDS [PUBLISH_SECONDS]
 * answered by one line of JSON. The end of standard input ends the process, and with it the streams.
 *
 * A run publishes COUNT events, or as many as it can in PUBLISH_SECONDS where they are given and not 0. It ends when every
 * accepted event is at every live stream; when it waits for lost ones only, as nothing came for QUIET_NS; or at the deadline.
 * `seconds` is until the last answer or arrival, `incomplete` the accepted events that were not seen at every stream.
 *
 * `hear` publishes nothing: someone else does, once the line {"hearing":N} says that N streams are ready. Each stream is to
 * have COUNT events, those of each publisher from 0 on. With COUNT 0 each is to have one, whose sequence number is the stream's own
 * place. Any other event is out of order.
 *
 * -nice: how much this process gives way to others on the same cores, as setpriority(2) has it; as it was started without.
 */
#define _GNU_SOURCE
#include "load/load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define PUBLISHERS_TOKEN UINT32_MAX
#define READS_BETWEEN_POLLS 32
#define REPLAY_DEADLINE_NS 30000000000ull
#define QUIET_NS 2000000000ull

static struct options options = {
    .stream = {"127.0.0.1", 0}, .emit = {"127.0.0.1", 0}, .emit_path = "/",
    .emit_headers = "", .body = "{event}", .sources = 8, .opening = 200, .poll_us = -1};
static int streams_epoll, publishers_epoll;

void fail(const char *what) {
  fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
  exit(1);
}

/* `A: b<tab>C: d` as the lines of a request's head. */
void header_lines(char *to, size_t size, const char *tabbed) {
  size_t at = 0;
  for (const char *line = tabbed; *line; line += strspn(line, "\t")) {
    size_t length = strcspn(line, "\t");
    if (at + length + 3 > size) errno = EMSGSIZE, fail("header lines");
    at += (size_t)sprintf(to + at, "%.*s\r\n", (int)length, line);
    line += length;
  }
  to[at] = 0;
}

/* Non-blocking; `source` chooses 127.0.0.(1 + source) as the local address. */
int connect_to(const struct target *to, int source) {
  struct sockaddr_in remote = {.sin_family = AF_INET, .sin_port = htons((uint16_t)to->port)};
  struct sockaddr_in local = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000001u + (unsigned)source)};
  inet_pton(AF_INET, to->host, &remote.sin_addr);
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) fail("socket");
  setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &(int){1}, sizeof(int));
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
  if (bind(fd, (struct sockaddr *)&local, sizeof local) != 0) fail("bind");
  if (connect(fd, (struct sockaddr *)&remote, sizeof remote) != 0 && errno != EINPROGRESS) fail("connect");
  return fd;
}

static int wait_ms(void) {
  uint64_t due = publishers_next_due(), now = now_ns();
  if (due <= now) return 0;
  return due - now > 100000000ull ? 100 : (int)((due - now) / 1000000);
}

/*
 * Waking a reader that sleeps in epoll_wait is paid by the server's `send`, and how often it sleeps depends on how fast
 * the server is: the figure would feed back on itself. A reader that sleeps by the clock is never woken.
 */
static int ready_events(struct epoll_event *events) {
  if (options.poll_us < 0) return epoll_wait(streams_epoll, events, READS_BETWEEN_POLLS, wait_ms());
  int ready = epoll_wait(streams_epoll, events, READS_BETWEEN_POLLS, 0);
  if (ready == 0 && options.poll_us > 0) usleep((useconds_t)options.poll_us);
  return ready;
}

static void turn(void) {
  struct epoll_event events[READS_BETWEEN_POLLS];
  int ready = ready_events(events);
  for (int i = 0; i < ready; i++)
    if (events[i].data.u32 != PUBLISHERS_TOKEN) streams_readable((int)events[i].data.u32);
  publishers_poll();
  publishers_due(now_ns());
}

static uint64_t expected_events(const struct run *run) {
  if (run->mode != MODE_HEAR) return published.answered - published.refused;
  return run->count > 0 ? run->count : 1;
}

static bool all_arrived(const struct run *run) {
  uint64_t expected = expected_events(run) * (uint64_t)streams_live();
  return publishers_finished() && (options.stuck || seen.deliveries >= expected);
}

/* What has not come by now was lost: a server that drops events is not to hold up the others. */
static bool all_lost(uint64_t now) {
  uint64_t last = seen.last > published.last ? seen.last : published.last;
  return publishers_wait() && last > 0 && now > last + QUIET_NS;
}

static void measure(const struct run *run) {
  streams_begin(run);
  struct sample before = take_sample(&options);
  uint64_t deadline = before.wall + (uint64_t)(run->deadline_s * 1e9);
  publishers_begin(run);
  if (run->mode == MODE_HEAR) print_hearing();
  for (uint64_t now = now_ns(); !all_arrived(run) && !all_lost(now) && now < deadline; now = now_ns()) turn();
  struct sample after = take_sample(&options);
  print_result(&before, &after);
}

static enum mode parse_mode(const char *name) {
  if (strcmp(name, "lockstep") == 0) return MODE_LOCKSTEP;
  if (strcmp(name, "rate") == 0) return MODE_RATE;
  return strcmp(name, "hear") == 0 ? MODE_HEAR : MODE_CLOSED;
}

static bool parse_run(const char *line, struct run *run) {
  char mode[16];
  if (sscanf(line, "%15s %d %lu %lf %d %lf %lf", mode, &run->publishers, &run->count, &run->rate, &run->bytes,
             &run->deadline_s, &run->publish_s) < 6)
    return false;
  run->mode = parse_mode(mode);
  return run->publishers > 0 && run->publishers <= MAX_PUBLISHERS && run->bytes < MAX_REQUEST_BYTES / 2;
}

/* Between runs the streams are still read, so that no server ever finds this process stuck. */
static void serve_commands(void) {
  static uint8_t id = 0;
  char line[256];
  struct pollfd fds[2] = {{STDIN_FILENO, POLLIN, 0}, {streams_epoll, POLLIN, 0}};
  struct run idle = {.mode = MODE_CLOSED, .id = 0};
  for (;;) {
    publishers_begin(&idle);
    if (poll(fds, 2, -1) < 0) fail("poll");
    if (fds[1].revents) turn();
    if (!fds[0].revents) continue;
    if (!fgets(line, sizeof line, stdin)) return;
    struct run run = {.id = ++id};
    if (!parse_run(line, &run)) fail("not a run");
    measure(&run);
  }
}

static void parse_target(struct target *to, char **words) {
  *to = (struct target){words[0], atoi(words[1])};
}

static void parse_options(int count, char **words) {
  for (int i = 1; i < count; i++) {
    const char *name = words[i];
    if (strcmp(name, "-stuck") == 0) options.stuck = true;
    else if (i + 1 >= count) fail(name);
    else if (strcmp(name, "-streams") == 0) options.streams = atoi(words[++i]);
    else if (strcmp(name, "-sources") == 0) options.sources = atoi(words[++i]);
    else if (strcmp(name, "-opening") == 0) options.opening = atoi(words[++i]);
    else if (strcmp(name, "-poll") == 0) options.poll_us = atoi(words[++i]);
    else if (strcmp(name, "-nice") == 0) options.nice = atoi(words[++i]);
    else if (strcmp(name, "-replay") == 0) options.replay = strtoull(words[++i], NULL, 10);
    else if (strcmp(name, "-requests") == 0) options.request_file = words[++i];
    else if (strcmp(name, "-emit-path") == 0) options.emit_path = words[++i];
    else if (strcmp(name, "-emit-headers") == 0) options.emit_headers = words[++i];
    else if (strcmp(name, "-body") == 0) options.body = words[++i];
    else if (strcmp(name, "-server") == 0 && options.server_count < MAX_SERVERS)
      options.servers[options.server_count++] = atoi(words[++i]);
    else if (strcmp(name, "-stream") == 0 && i + 2 < count) parse_target(&options.stream, words + i + 1), i += 2;
    else if (strcmp(name, "-emit") == 0 && i + 2 < count) parse_target(&options.emit, words + i + 1), i += 2;
    else errno = EINVAL, fail(name);
  }
}

/* Opens the streams and reads what they are sent at once. */
static void open_all(void) {
  struct sample before = take_sample(&options);
  uint64_t expected = options.replay * (uint64_t)options.streams, deadline = before.wall + REPLAY_DEADLINE_NS;
  streams_open(&options, streams_epoll);
  struct sample opened = take_sample(&options);
  for (uint64_t now = now_ns(); seen.deliveries < expected && now < deadline; now = now_ns()) {
    uint64_t last = seen.last > opened.wall ? seen.last : opened.wall;
    if (now > last + QUIET_NS) break;
    turn();
  }
  struct sample after = take_sample(&options);
  print_opened(&before, &opened, &after);
}

int main(int count, char **words) {
  parse_options(count, words);
  if (options.nice != 0 && setpriority(PRIO_PROCESS, 0, options.nice) != 0) fail("-nice");
  setvbuf(stdin, NULL, _IONBF, 0); /* poll() must not be told "nothing" about a line already buffered */
  streams_epoll = epoll_create1(EPOLL_CLOEXEC);
  publishers_epoll = epoll_create1(EPOLL_CLOEXEC);
  publishers_init(&options, publishers_epoll);
  struct epoll_event event = {.events = EPOLLIN, .data.u32 = PUBLISHERS_TOKEN};
  if (epoll_ctl(streams_epoll, EPOLL_CTL_ADD, publishers_epoll, &event) != 0) fail("epoll_ctl");
  open_all();
  serve_commands();
  return 0;
}
