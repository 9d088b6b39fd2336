/* The subscribers: open, read, find the markers, check their order. */
#define _GNU_SOURCE
#include "load.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define OPENING_AT_ONCE 200
#define REQUEST_BYTES 8192
#define READ_BYTES (256 * 1024)
#define OPEN_DEADLINE_NS 60000000000ull

enum state { CONNECTING, ASKED, LIVE, CLOSED };

struct stream {
  int fd;
  enum state state;
  unsigned kept;              /* bytes of a marker whose end was not in the last read */
  char carry[MARKER_BYTES];
  uint32_t next[MAX_PUBLISHERS]; /* the sequence number expected from each publisher */
};

struct seen seen;
static struct stream *all;
static int count, live, epoll_fd;
static uint8_t run_id;
static const struct options *opts;
static char **requests;
static int request_count;
static char input[READ_BYTES];

/* A line of the file as the request it stands for. */
static char *request_of(char *line) {
  char headers[REQUEST_BYTES], *request;
  char *rest = strchr(line, '\t');
  if (rest) *rest++ = 0;
  header_lines(headers, sizeof headers, rest ? rest : "");
  if (asprintf(&request, "GET %s HTTP/1.1\r\nHost: %s:%d\r\nAccept: text/event-stream\r\n%s\r\n", line,
               opts->stream.host, opts->stream.port, headers) < 0)
    fail("a request");
  return request;
}

static void read_requests(void) {
  FILE *file = fopen(opts->request_file, "r");
  if (!file) fail(opts->request_file);
  requests = calloc((size_t)opts->streams, sizeof *requests);
  size_t size = 0;
  char *line = NULL;
  while (request_count < opts->streams && getline(&line, &size, file) > 0) {
    line[strcspn(line, "\r\n")] = 0;
    requests[request_count++] = request_of(line);
  }
  free(line);
  fclose(file);
  if (request_count == 0) fail("the file of requests is empty");
}

static void watch(int index, uint32_t events, int operation) {
  struct epoll_event event = {.events = events, .data.u32 = (uint32_t)index};
  if (epoll_ctl(epoll_fd, operation, all[index].fd, &event) != 0) fail("epoll_ctl");
}

static void begin_open(int index) {
  struct stream *s = &all[index];
  s->fd = connect_to(&opts->stream, index % opts->sources);
  if (opts->stuck) setsockopt(s->fd, SOL_SOCKET, SO_RCVBUF, &(int){4096}, sizeof(int));
  s->state = CONNECTING;
  watch(index, EPOLLOUT, EPOLL_CTL_ADD);
}

static void ask(int index) {
  const char *request = requests[index % request_count];
  ssize_t length = (ssize_t)strlen(request);
  if (send(all[index].fd, request, (size_t)length, MSG_NOSIGNAL) != length) fail("sending a request");
  all[index].state = ASKED;
  watch(index, EPOLLIN, EPOLL_CTL_MOD);
}

static void lose(int index) {
  struct stream *s = &all[index];
  if (s->state == LIVE) live--;
  s->state = CLOSED;
  seen.closed++;
  close(s->fd);
}

void streams_begin(const struct run *run) {
  run_id = run->id;
  memset(&seen, 0, sizeof seen);
  for (int i = 0; i < count; i++) memset(all[i].next, 0, sizeof all[i].next);
}

int streams_live(void) { return live; }

static uint64_t hex(const char *text, int digits) {
  uint64_t value = 0;
  for (int i = 0; i < digits; i++) {
    unsigned c = (unsigned char)text[i];
    value = value << 4 | (c <= '9' ? c - '0' : (c | 32) - 'a' + 10);
  }
  return value;
}

/* Hot path: once per delivery. */
static void take_marker(struct stream *s, const char *marker, uint64_t now) {
  if (hex(marker + 1, 2) != run_id) {
    seen.stray++;
    return;
  }
  uint64_t publisher = hex(marker + 3, 2) % MAX_PUBLISHERS;
  uint32_t sequence = (uint32_t)hex(marker + 5, 8);
  if (sequence != s->next[publisher]) seen.out_of_order++;
  s->next[publisher] = sequence + 1;
  seen.deliveries++;
  histogram_add(&seen.latency, now - hex(marker + 13, 16));
}

/* A marker cut by the end of a read is put together from both sides. */
static size_t finish_carried(struct stream *s, size_t length, uint64_t now) {
  size_t missing = MARKER_BYTES - s->kept, taken = missing < length ? missing : length;
  memcpy(s->carry + s->kept, input, taken);
  s->kept += (unsigned)taken;
  if (s->kept < MARKER_BYTES) return taken;
  s->kept = 0;
  take_marker(s, s->carry, now);
  return taken;
}

static void take_bytes(struct stream *s, size_t length) {
  uint64_t now = now_ns();
  const char *end = input + length, *at = input;
  if (s->kept > 0) at += finish_carried(s, length, now);
  while ((at = memchr(at, '@', (size_t)(end - at))) != NULL) {
    if (end - at < MARKER_BYTES) {
      s->kept = (unsigned)(end - at);
      memcpy(s->carry, at, s->kept);
      return;
    }
    take_marker(s, at, now);
    at += MARKER_BYTES;
  }
}

void streams_readable(int index) {
  struct stream *s = &all[index];
  ssize_t length = recv(s->fd, input, sizeof input, 0);
  if (length < 0 && errno == EAGAIN) return;
  if (length <= 0) return lose(index);
  seen.bytes += (uint64_t)length;
  take_bytes(s, (size_t)length);
}

/* The head is a stream's first bytes; of it only the status matters, but a replay may be right behind it. */
static void take_head(int index) {
  ssize_t length = recv(all[index].fd, input, sizeof input - 1, 0);
  if (length <= 0) fail("a stream was closed before its head");
  input[length] = 0;
  if (strncmp(input, "HTTP/1.1 200", 12) != 0) {
    fprintf(stderr, "load: a stream was refused: %.200s\n", input);
    exit(1);
  }
  all[index].state = LIVE;
  live++;
  take_bytes(&all[index], (size_t)length);
  if (opts->stuck) watch(index, 0, EPOLL_CTL_MOD);
}

static void opening_event(int index) {
  if (all[index].state == CONNECTING) ask(index);
  else if (all[index].state == ASKED) take_head(index);
  else streams_readable(index);
}

/* Opens all streams, a bounded number at a time: the listener's backlog is not what is measured here. */
void streams_open(const struct options *options, int epoll) {
  opts = options;
  epoll_fd = epoll;
  count = options->streams;
  if (options->replay > 0) run_id = 1;
  all = calloc((size_t)count + 1, sizeof *all);
  if (count > 0) read_requests();
  struct epoll_event events[64];
  uint64_t deadline = now_ns() + OPEN_DEADLINE_NS;
  for (int begun = 0; live < count;) {
    while (begun < count && begun - live < OPENING_AT_ONCE) begin_open(begun++);
    int ready = epoll_wait(epoll_fd, events, 64, 1000);
    for (int i = 0; i < ready; i++) opening_event((int)events[i].data.u32);
    if (now_ns() > deadline) fail("the streams did not all open in time");
  }
}
