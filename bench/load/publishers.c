/* The publishers: keep-alive connections that post, read the whole answer, and post again. */
#define _GNU_SOURCE
#include "load.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define ANSWER_BYTES 4096
#define HEAD_BYTES 4096
#define NEVER UINT64_MAX

enum state { IDLE, WAITING };

struct publisher {
  int fd; /* 0 when not connected */
  enum state state;
  uint32_t sequence;
  uint64_t since; /* when the post was due: a late post counts as a slow answer */
  size_t filled;
  char answer[ANSWER_BYTES];
};

struct published published;
static struct publisher all[MAX_PUBLISHERS];
static struct run current;
static const struct options *opts;
static char headers[HEAD_BYTES / 2];
static int epoll_fd;
static uint64_t started;

void publishers_init(const struct options *options, int epoll) {
  opts = options;
  header_lines(headers, sizeof headers, opts->emit_headers);
  epoll_fd = epoll;
}

static void reconnect(int index) {
  struct publisher *p = &all[index];
  if (p->fd > 0) close(p->fd);
  p->fd = connect_to(&opts->emit, 0);
  struct epoll_event event = {.events = EPOLLIN, .data.u32 = (uint32_t)index};
  if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, p->fd, &event) != 0) fail("epoll_ctl");
}

/* Marker and padding, `bytes` long in all. */
static int write_event(char *to, int index, uint64_t stamp) {
  int marker = sprintf(to, "@%02x%02x%08x%016llx", current.id, index, all[index].sequence,
                       (unsigned long long)stamp);
  int padding = current.bytes > marker ? current.bytes - marker : 0;
  memset(to + marker, 'x', (size_t)padding);
  return marker + padding;
}

static int write_request(char *to, const char *body, int body_length) {
  int head = snprintf(to, HEAD_BYTES,
                      "POST %s HTTP/1.1\r\nHost: %s:%d\r\n%sContent-Length: %d\r\n\r\n", opts->emit_path,
                      opts->emit.host, opts->emit.port, headers, body_length);
  memcpy(to + head, body, (size_t)body_length);
  return head + body_length;
}

static int write_body(char *to, int index, uint64_t stamp) {
  const char *place = strstr(opts->body, "{event}");
  if (!place) return sprintf(to, "%s", opts->body);
  int before = (int)(place - opts->body), length = before;
  memcpy(to, opts->body, (size_t)before);
  length += write_event(to + length, index, stamp);
  return length + sprintf(to + length, "%s", place + strlen("{event}"));
}

static void send_all(int fd, const char *bytes, int length) {
  for (int sent = 0; sent < length;) {
    ssize_t n = send(fd, bytes + sent, (size_t)(length - sent), MSG_NOSIGNAL);
    if (n < 0 && (errno == EAGAIN || errno == ENOTCONN || errno == EINPROGRESS)) continue;
    if (n <= 0) fail("posting");
    sent += (int)n;
  }
}

static void post(int index, uint64_t due) {
  static char body[MAX_REQUEST_BYTES], request[MAX_REQUEST_BYTES + HEAD_BYTES];
  struct publisher *p = &all[index];
  if (p->fd == 0) reconnect(index);
  int body_length = write_body(body, index, due);
  p->sequence++;
  p->since = due;
  p->state = WAITING;
  p->filled = 0;
  published.posted++;
  send_all(p->fd, request, write_request(request, body, body_length));
}

/* The length of a whole answer, or 0 while it is not whole. */
static size_t whole_answer(struct publisher *p) {
  p->answer[p->filled] = 0;
  char *body = strstr(p->answer, "\r\n\r\n");
  if (!body) return 0;
  char *field = strcasestr(p->answer, "\r\ncontent-length:");
  size_t length = field && field < body ? strtoul(field + 17, NULL, 10) : 0;
  size_t whole = (size_t)(body + 4 - p->answer) + length;
  return p->filled >= whole ? whole : 0;
}

static void answered(int index) {
  struct publisher *p = &all[index];
  published.answered++;
  if (strncmp(p->answer, "HTTP/1.1 2", 10) != 0) {
    if (published.refused++ == 0) fprintf(stderr, "load: refused: %.300s\n", p->answer);
  }
  histogram_add(&published.answers, now_ns() - p->since);
  p->state = IDLE;
  bool more = published.posted < current.count;
  if (current.mode == MODE_CLOSED && more) post(index, now_ns());
}

static void read_answer(int index) {
  struct publisher *p = &all[index];
  ssize_t n = recv(p->fd, p->answer + p->filled, ANSWER_BYTES - 1 - p->filled, 0);
  if (n < 0 && errno == EAGAIN) return;
  if (n <= 0) {
    if (p->state == WAITING) fail("a publisher's connection was closed");
    close(p->fd);
    p->fd = 0;
    return;
  }
  p->filled += (size_t)n;
  if (p->state == WAITING && whole_answer(p) > 0) answered(index);
}

/* Called after every few reads of streams, so that a full house never makes a publisher wait. */
void publishers_poll(void) {
  struct epoll_event events[MAX_PUBLISHERS];
  int ready = epoll_wait(epoll_fd, events, MAX_PUBLISHERS, 0);
  for (int i = 0; i < ready; i++) read_answer((int)events[i].data.u32);
}

static uint64_t due_at(uint64_t n) {
  return started + (uint64_t)((double)n * 1e9 / current.rate);
}

/* When the next post of a fixed rate is due; NEVER in the other modes and at the end. */
uint64_t publishers_next_due(void) {
  if (current.mode != MODE_RATE || published.posted >= current.count) return NEVER;
  return due_at(published.posted);
}

static int idle_publisher(void) {
  for (int i = 0; i < current.publishers; i++)
    if (all[i].state == IDLE) return i;
  return -1;
}

/* Starts what is due. A post that found no idle connection keeps the time it was due at. */
void publishers_due(uint64_t now) {
  for (int i; publishers_next_due() <= now && (i = idle_publisher()) >= 0;)
    post(i, due_at(published.posted));
  bool quiet = published.answered == published.posted && published.posted < current.count;
  uint64_t expected = (published.answered - published.refused) * (uint64_t)streams_live();
  if (current.mode == MODE_LOCKSTEP && quiet && seen.deliveries >= expected) post(0, now);
}

void publishers_begin(const struct run *run) {
  current = *run;
  memset(&published, 0, sizeof published);
  started = now_ns();
  /* A connection that was idle since the last run may be closed by the server at this very moment. */
  for (int i = 0; i < run->publishers; i++) {
    all[i].sequence = 0;
    reconnect(i);
  }
  for (int i = 0; i < run->publishers && run->mode == MODE_CLOSED; i++)
    if (published.posted < run->count) post(i, now_ns());
  publishers_due(started);
}

bool publishers_finished(void) {
  return published.posted >= current.count && published.answered == published.posted;
}
