/*
 * The floor: what the kernel alone charges for a delivery.
 *
 * An HTTP server that does nothing but `send` of the same bytes to every stream: no tokens, no ids that change, no
 * channels, no history, no backpressure. A server that does its work can come near this figure and never below it
 * unless it sends less often. `floor PORT`.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_FDS 20000
#define REQUEST_BYTES 8192
#define EVENTS_PER_TURN 256
#define EVERYONE -1

static const char HEAD[] =
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n:\n";
static const char ANSWER[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
static int streams[MAX_FDS], stream_count;
static int streams_of[MAX_FDS]; /* one for each user, by number */

static void fail(const char *what) {
  fprintf(stderr, "floor: %s: %s\n", what, strerror(errno));
  exit(1);
}

/* The chunk as our server lays it out: the event, its id, and the two bytes that push it through proxies. */
static size_t write_frame(char *to, const char *payload, size_t length) {
  static unsigned long id;
  char end[64];
  size_t tail = (size_t)sprintf(end, "\nid: floor000000-%lu\n\n", ++id);
  size_t at = (size_t)sprintf(to, "\r\n%zx\r\n", length + tail);
  memcpy(to + at, payload, length);
  memcpy(to + at + length, end, tail);
  at += length + tail;
  return at + (size_t)sprintf(to + at, "\r\n2\r\n:\n");
}

/* All there is to measure. */
static void send_to_all(const char *frame, size_t length) {
  for (int i = 0; i < stream_count; i++)
    if (send(streams[i], frame, length, MSG_NOSIGNAL) != (ssize_t)length) fail("a stream fell behind");
}

static void send_to_user(int user, const char *frame, size_t length) {
  if (send(streams_of[user], frame, length, MSG_NOSIGNAL) != (ssize_t)length) fail("a user's stream fell behind");
}

/* The user in `GET /events/7` or `POST /emit/7`. */
static int user_in(const char *request) {
  int user;
  if (sscanf(request, "%*s /%*[a-z]/%d ", &user) != 1) return EVERYONE;
  if (user < 0 || user >= MAX_FDS) fail("no such user");
  return user;
}

static void publish(int fd, int user, const char *body) {
  char frame[REQUEST_BYTES + 128];
  size_t length = write_frame(frame, body, strlen(body));
  if (send(fd, ANSWER, sizeof ANSWER - 1, MSG_NOSIGNAL) < 0) fail("answering");
  if (user == EVERYONE) send_to_all(frame, length);
  else send_to_user(user, frame, length);
}

static void subscribe(int fd, int user) {
  if (send(fd, HEAD, sizeof HEAD - 1, MSG_NOSIGNAL) < 0) fail("sending a head");
  streams[stream_count++] = fd;
  if (user != EVERYONE) streams_of[user] = fd;
}

static void forget(int fd) {
  for (int i = 0; i < stream_count; i++)
    if (streams[i] == fd) streams[i--] = streams[--stream_count];
  close(fd);
}

/* The requests of a benchmark fit one segment; anything else is a mistake of the benchmark. */
static void serve(int fd) {
  char request[REQUEST_BYTES + 1];
  ssize_t length = recv(fd, request, REQUEST_BYTES, 0);
  if (length <= 0) return forget(fd);
  request[length] = 0;
  char *end = strstr(request, "\r\n\r\n");
  if (!end) fail("half a request");
  if (strncmp(request, "GET ", 4) == 0) subscribe(fd, user_in(request));
  else publish(fd, user_in(request), end + 4);
}

static void accept_all(int listener, int epoll) {
  for (int fd; (fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0;) {
    if (fd >= MAX_FDS) fail("too many connections");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0) fail("epoll_ctl");
  }
}

static int listen_on(int port) {
  struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
  if (bind(fd, (struct sockaddr *)&at, sizeof at) != 0) fail("bind");
  if (listen(fd, 4096) != 0) fail("listen");
  return fd;
}

int main(int count, char **words) {
  if (count != 2) fail("usage: floor PORT");
  int listener = listen_on(atoi(words[1])), epoll = epoll_create1(0);
  struct epoll_event events[EVENTS_PER_TURN], first = {.events = EPOLLIN, .data.fd = listener};
  if (epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &first) != 0) fail("epoll_ctl");
  for (;;) {
    int ready = epoll_wait(epoll, events, EVENTS_PER_TURN, -1);
    for (int i = 0; i < ready; i++) {
      if (events[i].data.fd == listener) accept_all(listener, epoll);
      else serve(events[i].data.fd);
    }
  }
}
