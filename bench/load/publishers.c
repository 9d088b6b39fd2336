/* The publishers: connections that post, read the whole answer, and post again; a server may close them in between. */
#define _GNU_SOURCE
#include "load.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define HEAD_BYTES 4096
#define NEVER UINT64_MAX
/* A server may close a connection at the very moment of a post; more often in a row it is not by chance. */
#define ATTEMPTS 3

enum state { IDLE, WAITING };

struct publisher {
  int fd; /* 0 when not connected */
  enum state state;
  uint32_t sequence;
  uint64_t since; /* when the post was due: a late post counts as a slow answer */
  int attempts;
  struct answer answer;
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
  static unsigned connections; /* from all addresses in turn: a port stays taken for a minute after its connection */
  if (p->fd > 0) close(p->fd);
  p->fd = connect_to(&opts->emit, (int)(connections++ % (unsigned)opts->sources));
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

/* Whether the server took all of it. */
static bool send_all(int fd, const char *bytes, int length) {
  for (int sent = 0; sent < length;) {
    ssize_t n = send(fd, bytes + sent, (size_t)(length - sent), MSG_NOSIGNAL);
    if (n < 0 && (errno == EAGAIN || errno == ENOTCONN || errno == EINPROGRESS)) continue;
    if (n <= 0) return false;
    sent += (int)n;
  }
  return true;
}

/* Posts the event that the publisher is waiting for the answer of, if need be on another connection than before. */
static void post_again(int index) {
  static char body[MAX_REQUEST_BYTES], request[MAX_REQUEST_BYTES + HEAD_BYTES];
  struct publisher *p = &all[index];
  int length = write_request(request, body, write_body(body, index, p->since));
  answer_clear(&p->answer);
  do {
    if (p->attempts++ == ATTEMPTS) fail("posting");
    if (p->fd == 0 || p->attempts > 1) reconnect(index);
  } while (!send_all(p->fd, request, length));
}

static void post(int index, uint64_t due) {
  struct publisher *p = &all[index];
  p->since = due;
  p->state = WAITING;
  p->attempts = 0;
  published.posted++;
  post_again(index);
}

static void disconnect(struct publisher *p) {
  close(p->fd);
  p->fd = 0;
}

static bool may_post(uint64_t now) {
  double seconds = (double)(now - started) / 1e9;
  if (current.mode == MODE_HEAR) return false;
  return published.posted < current.count && (current.publish_s == 0 || seconds < current.publish_s);
}

static void answered(int index) {
  struct publisher *p = &all[index];
  uint64_t now = published.last = now_ns();
  published.answered++;
  if (!answer_accepted(&p->answer) && published.refused++ == 0)
    fprintf(stderr, "load: refused: %.300s\n", p->answer.text);
  histogram_add(&published.answers, now - p->since);
  p->state = IDLE;
  p->sequence++;
  if (p->fd > 0 && answer_closes(&p->answer)) disconnect(p);
  if (current.mode == MODE_CLOSED && may_post(now)) post(index, now);
}

static void closed(int index) {
  struct publisher *p = &all[index];
  disconnect(p);
  if (p->state == IDLE) return;
  if (answer_whole(&p->answer, true)) answered(index);
  else if (p->answer.filled > 0) fail("a connection was closed within an answer");
  else post_again(index);
}

static void read_answer(int index) {
  struct publisher *p = &all[index];
  struct answer *a = &p->answer;
  if (p->fd == 0) return;
  if (p->state == IDLE) answer_clear(a);
  ssize_t n = recv(p->fd, a->text + a->filled, sizeof a->text - 1 - a->filled, 0);
  if (n < 0 && errno == EAGAIN) return;
  if (n <= 0) return closed(index);
  a->filled += (size_t)n;
  a->text[a->filled] = 0;
  if (p->state == WAITING && answer_whole(a, false)) answered(index);
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
  if (current.mode != MODE_RATE || !may_post(now_ns())) return NEVER;
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
  bool quiet = published.answered == published.posted && may_post(now);
  uint64_t expected = (published.answered - published.refused) * (uint64_t)streams_live();
  if (current.mode == MODE_LOCKSTEP && quiet && seen.deliveries >= expected) post(0, now);
}

void publishers_begin(const struct run *run) {
  current = *run;
  memset(&published, 0, sizeof published);
  started = now_ns();
  /* A connection that was idle since the last run may be closed by the server at this very moment. */
  for (int i = 0; i < MAX_PUBLISHERS; i++) {
    all[i].sequence = 0;
    all[i].state = IDLE; /* what was not answered before the last deadline is given up */
    if (i < run->publishers) reconnect(i);
  }
  for (int i = 0; i < run->publishers && run->mode == MODE_CLOSED; i++)
    if (published.posted < run->count) post(i, now_ns());
  publishers_due(started);
}

bool publishers_finished(void) {
  return published.answered == published.posted && !may_post(now_ns());
}

/* Nothing is posted before something arrives. */
bool publishers_wait(void) {
  return publishers_finished() || (current.mode == MODE_LOCKSTEP && published.answered == published.posted);
}
