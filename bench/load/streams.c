/* The subscribers: opened a bounded number at a time, then read until the process ends. */
#define _GNU_SOURCE
#include "load.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define REQUEST_BYTES 8192
#define READ_BYTES (256 * 1024)
#define OPEN_DEADLINE_NS 30000000000ull
/* A stream that was refused or is not answered is tried again, as clients do: not sooner, and not all at once. */
#define REFUSED_RETRY_NS 2000000000ull
#define SILENT_RETRY_NS 8000000000ull
#define RETRY_EVERY_NS 100000000ull
#define RETRIES_AT_ONCE 20

enum state { REFUSED, CONNECTING, ASKED, LIVE, CLOSED };

struct stream {
  int fd;
  enum state state;
  uint64_t since, tried; /* when its first connection was begun, and its latest */
  struct reader reader;
};

struct histogram heads;
static struct stream *all;
static int count, begun, live, retried, epoll_fd;
static bool opening;
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
  s->tried = now_ns();
  if (s->since == 0) s->since = s->tried;
  watch(index, EPOLLOUT, EPOLL_CTL_ADD);
}

static void ask(int index) {
  const char *request = requests[index % request_count];
  ssize_t length = (ssize_t)strlen(request);
  if (send(all[index].fd, request, (size_t)length, MSG_NOSIGNAL) != length) fail("sending a request");
  all[index].state = ASKED;
  watch(index, EPOLLIN, EPOLL_CTL_MOD);
}

/* Before all are open: for another try. */
static void refuse(int index, const char *reason) {
  if (retried++ == 0) fprintf(stderr, "load: a stream is tried again: %.200s\n", reason);
  close(all[index].fd);
  all[index].state = REFUSED;
}

static void lose(int index) {
  struct stream *s = &all[index];
  if (s->state == LIVE) live--;
  if (opening) return refuse(index, "closed behind its head");
  s->state = CLOSED;
  seen.closed++;
  close(s->fd);
}

void streams_begin(const struct run *run) {
  arrivals_begin(run->id);
  for (int i = 0; i < count; i++) {
    memset(all[i].reader.next, 0, sizeof all[i].reader.next);
    if (run->mode == MODE_HEAR && run->count == 0) all[i].reader.next[0] = (uint32_t)i;
  }
}

int streams_live(void) { return live; }

void streams_readable(int index) {
  struct stream *s = &all[index];
  ssize_t length = recv(s->fd, input, sizeof input, 0);
  if (length < 0 && errno == EAGAIN) return;
  if (length <= 0) return lose(index);
  arrivals_take(&s->reader, input, (size_t)length);
}

/* The head is a stream's first bytes; of it only the status matters, but a replay may be right behind it. */
static void take_head(int index) {
  struct stream *s = &all[index];
  ssize_t length = recv(s->fd, input, sizeof input - 1, 0);
  if (length <= 0) return refuse(index, "closed before its head");
  input[length] = 0;
  if (strncmp(input, "HTTP/1.", 7) == 0 && strncmp(input + 8, " 5", 2) == 0) return refuse(index, input);
  if (strncmp(input, "HTTP/1.", 7) != 0 || strncmp(input + 8, " 200", 4) != 0) {
    fprintf(stderr, "load: a stream was refused: %.200s\n", input);
    exit(1);
  }
  histogram_add(&heads, now_ns() - s->since);
  s->state = LIVE;
  live++;
  arrivals_take(&s->reader, input, (size_t)length);
  if (opts->stuck) watch(index, 0, EPOLL_CTL_MOD);
}

/* Some servers lose a request of many. What such a stream waited is in `heads`. */
static void retry_late(uint64_t now) {
  static uint64_t next;
  if (now < next) return;
  next = now + RETRY_EVERY_NS;
  for (int i = 0, left = RETRIES_AT_ONCE; i < begun && left > 0; i++) {
    bool refused = all[i].state == REFUSED;
    if (all[i].state >= LIVE || now - all[i].tried < (refused ? REFUSED_RETRY_NS : SILENT_RETRY_NS)) continue;
    if (!refused) refuse(i, "no answer");
    begin_open(i);
    left--;
  }
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
  if (options->replay > 0) arrivals_begin(1);
  all = calloc((size_t)count + 1, sizeof *all);
  if (count > 0) read_requests();
  struct epoll_event events[64];
  uint64_t deadline = now_ns() + OPEN_DEADLINE_NS;
  opening = true;
  while (live < count) {
    while (begun < count && begun - live < opts->opening) begin_open(begun++);
    int ready = epoll_wait(epoll_fd, events, 64, RETRY_EVERY_NS / 1000000);
    for (int i = 0; i < ready; i++) opening_event((int)events[i].data.u32);
    retry_late(now_ns());
    if (now_ns() > deadline) errno = ETIMEDOUT, fail("opening all streams");
  }
  opening = false;
  if (retried > 0) fprintf(stderr, "load: %d times a stream was tried again\n", retried);
}
