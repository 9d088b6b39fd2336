/*
 * Entry of the load generator; `load/load.h` says what it is.
 *
 *   load -stream HOST PORT PATH -emit HOST PORT PATH -streams N [-headers FILE] [-sources N] [-stuck]
 *        [-emit-header LINE] [-body TEMPLATE] [-server PID]...
 *
 * Prints {"open":N} when all streams are open. Then one line of standard input is one run,
 *   lockstep|closed|rate PUBLISHERS COUNT RATE BYTES DEADLINE_SECONDS
 * answered by one line of JSON. The end of standard input ends the process, and with it the streams.
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
#include <time.h>
#include <unistd.h>

#define PUBLISHERS_TOKEN UINT32_MAX
#define READS_BETWEEN_POLLS 32

static struct options options = {
    .stream = {"127.0.0.1", 0, "/"}, .emit = {"127.0.0.1", 0, "/"},
    .emit_header = "Content-Type: text/plain", .body = "{event}", .sources = 8};
static int streams_epoll, publishers_epoll;

void fail(const char *what) {
  fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
  exit(1);
}

static uint64_t clock_ns(clockid_t clock) {
  struct timespec t;
  if (clock_gettime(clock, &t) != 0) fail("reading a clock (has the server ended?)");
  return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

uint64_t now_ns(void) { return clock_ns(CLOCK_MONOTONIC); }

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

/* CPU time of all server processes together, from the kernel's own nanosecond clock of each. */
static uint64_t server_cpu_ns(void) {
  uint64_t sum = 0;
  for (int i = 0; i < options.server_count; i++) {
    clockid_t clock;
    if (clock_getcpuclockid(options.servers[i], &clock) != 0) fail("no such server process");
    sum += clock_ns(clock);
  }
  return sum;
}

/* Ticks spent in user space by all server processes: coarse, good enough for a share of a long run. */
static void server_ticks(uint64_t *user, uint64_t *system) {
  *user = *system = 0;
  for (int i = 0; i < options.server_count; i++) {
    char path[64], text[1024];
    snprintf(path, sizeof path, "/proc/%d/stat", options.servers[i]);
    FILE *file = fopen(path, "r");
    size_t length = file ? fread(text, 1, sizeof text - 1, file) : 0;
    if (file) fclose(file);
    text[length] = 0;
    unsigned long u = 0, s = 0;
    char *after = strrchr(text, ')');
    if (after) sscanf(after + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &u, &s);
    *user += u;
    *system += s;
  }
}

static int wait_ms(void) {
  uint64_t due = publishers_next_due(), now = now_ns();
  if (due <= now) return 0;
  return due - now > 100000000ull ? 100 : (int)((due - now) / 1000000);
}

static void turn(void) {
  struct epoll_event events[READS_BETWEEN_POLLS];
  int ready = epoll_wait(streams_epoll, events, READS_BETWEEN_POLLS, wait_ms());
  for (int i = 0; i < ready; i++)
    if (events[i].data.u32 != PUBLISHERS_TOKEN) streams_readable((int)events[i].data.u32);
  publishers_poll();
  publishers_due(now_ns());
}

static bool all_arrived(void) {
  uint64_t expected = (published.answered - published.refused) * (uint64_t)streams_live();
  return publishers_finished() && (options.stuck || seen.deliveries >= expected);
}

struct sample {
  uint64_t wall, load, server, user, system;
};

static struct sample take_sample(void) {
  struct sample s = {.wall = now_ns(), .load = clock_ns(CLOCK_PROCESS_CPUTIME_ID), .server = server_cpu_ns()};
  server_ticks(&s.user, &s.system);
  return s;
}

static void print_quantiles(const char *name, const struct histogram *h) {
  printf(",\"%s\":{\"p50Us\":%.1f,\"p99Us\":%.1f,\"maxUs\":%.1f}", name,
         (double)histogram_quantile(h, 0.5) / 1e3, (double)histogram_quantile(h, 0.99) / 1e3,
         (double)h->max / 1e3);
}

static void print_result(const struct sample *a, const struct sample *b) {
  double wall = (double)(b->wall - a->wall);
  uint64_t ticks = b->user - a->user + b->system - a->system;
  printf("{\"streams\":%d,\"posted\":%lu,\"refused\":%lu,\"deliveries\":%lu,\"outOfOrder\":%lu,"
         "\"stray\":%lu,\"closed\":%lu,\"bytes\":%lu,\"seconds\":%.6f,\"loadCpuShare\":%.4f,"
         "\"serverCpuUs\":%.1f,\"serverCpuShare\":%.4f,\"serverUserShare\":%.4f",
         streams_live(), published.posted, published.refused, seen.deliveries, seen.out_of_order, seen.stray,
         seen.closed, seen.bytes, wall / 1e9, (double)(b->load - a->load) / wall,
         (double)(b->server - a->server) / 1e3, (double)(b->server - a->server) / wall,
         ticks > 0 ? (double)(b->user - a->user) / (double)ticks : 0.0);
  print_quantiles("answers", &published.answers);
  print_quantiles("latency", &seen.latency);
  printf("}\n");
  fflush(stdout);
}

static void measure(const struct run *run) {
  streams_begin(run);
  struct sample before = take_sample();
  uint64_t deadline = before.wall + (uint64_t)(run->deadline_s * 1e9);
  publishers_begin(run);
  while (!all_arrived() && now_ns() < deadline) turn();
  struct sample after = take_sample();
  print_result(&before, &after);
}

static bool parse_run(const char *line, struct run *run) {
  char mode[16];
  if (sscanf(line, "%15s %d %lu %lf %d %lf", mode, &run->publishers, &run->count, &run->rate, &run->bytes,
             &run->deadline_s) != 6)
    return false;
  run->mode = strcmp(mode, "lockstep") == 0 ? MODE_LOCKSTEP : strcmp(mode, "rate") == 0 ? MODE_RATE : MODE_CLOSED;
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
  *to = (struct target){words[0], atoi(words[1]), words[2]};
}

static void parse_options(int count, char **words) {
  for (int i = 1; i < count; i++) {
    const char *name = words[i];
    if (strcmp(name, "-stuck") == 0) options.stuck = true;
    else if (i + 1 >= count) fail(name);
    else if (strcmp(name, "-streams") == 0) options.streams = atoi(words[++i]);
    else if (strcmp(name, "-sources") == 0) options.sources = atoi(words[++i]);
    else if (strcmp(name, "-headers") == 0) options.header_file = words[++i];
    else if (strcmp(name, "-emit-header") == 0) options.emit_header = words[++i];
    else if (strcmp(name, "-body") == 0) options.body = words[++i];
    else if (strcmp(name, "-server") == 0 && options.server_count < MAX_SERVERS)
      options.servers[options.server_count++] = atoi(words[++i]);
    else if (strcmp(name, "-stream") == 0 && i + 3 < count) parse_target(&options.stream, words + i + 1), i += 3;
    else if (strcmp(name, "-emit") == 0 && i + 3 < count) parse_target(&options.emit, words + i + 1), i += 3;
    else errno = EINVAL, fail(name);
  }
}

int main(int count, char **words) {
  parse_options(count, words);
  setvbuf(stdin, NULL, _IONBF, 0); /* poll() must not be told "nothing" about a line already buffered */
  streams_epoll = epoll_create1(EPOLL_CLOEXEC);
  publishers_epoll = epoll_create1(EPOLL_CLOEXEC);
  streams_open(&options, streams_epoll);
  publishers_init(&options, publishers_epoll);
  struct epoll_event event = {.events = EPOLLIN, .data.u32 = PUBLISHERS_TOKEN};
  if (epoll_ctl(streams_epoll, EPOLL_CTL_ADD, publishers_epoll, &event) != 0) fail("epoll_ctl");
  printf("{\"open\":%d}\n", streams_live());
  fflush(stdout);
  serve_commands();
  return 0;
}
