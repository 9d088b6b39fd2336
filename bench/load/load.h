/*
 * The load generator: opens streams, publishes, and counts what arrives.
 *
 * One thread and one loop, so that its own CPU is one figure; it prints that figure with every result, because a
 * generator that is the bottleneck measures itself.
 *
 * Every event carries a marker `@RRPPSSSSSSSSTTTTTTTTTTTTTTTT` (hexadecimal: run, publisher, sequence number,
 * monotonic nanoseconds). It survives any framing a server puts around it, so the same reader serves every peer.
 */
#ifndef LOAD_H
#define LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MAX_PUBLISHERS 64
#define MARKER_BYTES 29
#define MAX_REQUEST_BYTES 140000
#define MAX_SERVERS 8

struct target {
  const char *host;
  int port;
};

struct options {
  struct target stream, emit;
  const char *request_file; /* path and header lines of a stream's request, between tabs, a line each, used in turn */
  const char *emit_path;
  const char *emit_headers; /* header lines of every POST, between tabs */
  const char *body;        /* the POST body, containing {event} */
  int streams;
  int sources; /* source addresses 127.0.0.1 … 127.0.0.N, so that ports never run out */
  int opening; /* streams that may wait for their head at a time */
  int poll_us; /* sleep so long between reads instead of until a stream is readable; -1: do not */
  int nice; /* as setpriority(2) has it; 0: as it was started */
  uint64_t replay; /* events that each stream is sent when it opens: those of another process's first run */
  bool stuck;  /* the streams are opened and then never read again */
  int servers[MAX_SERVERS];
  int server_count;
};

enum mode { MODE_LOCKSTEP, MODE_CLOSED, MODE_RATE, MODE_HEAR };

/* One measured stretch, as asked for on standard input. */
struct run {
  enum mode mode;
  int publishers;
  uint64_t count;     /* events to publish */
  double rate;        /* events per second, MODE_RATE only */
  int bytes;          /* length of the text that replaces {event} */
  double deadline_s;  /* gives up waiting for deliveries after this */
  double publish_s;   /* publishes nothing more after this; 0: only `count` ends it */
  uint8_t id;
};

/* Logarithmic with 64 steps per octave: 1.6 % wide, 30 KiB, no allocation while measuring. */
#define HISTOGRAM_STEPS 64
#define HISTOGRAM_OCTAVES 58
struct histogram {
  uint64_t counts[HISTOGRAM_OCTAVES * HISTOGRAM_STEPS];
  uint64_t total, max;
};

void histogram_add(struct histogram *h, uint64_t value);
uint64_t histogram_quantile(const struct histogram *h, double q);

/* A run that is longer is one whose last second is long. */
#define SECONDS_SEEN 16

/* What the streams of this process have seen since `streams_begin`. */
struct seen {
  uint64_t deliveries, out_of_order, stray, bytes, closed;
  uint64_t last; /* when the last delivery arrived */
  struct histogram latency;
  struct histogram last_stream; /* of each event, from when it was due to its arrival at the last live stream */
  uint64_t began;               /* when the first delivery arrived */
  struct histogram by_second[SECONDS_SEEN]; /* latency, by the second of its arrival; the last takes in all later ones */
};

/* Where one stream is in what it reads. */
struct reader {
  unsigned kept;   /* bytes in `carry`: of a marker that was cut */
  unsigned border; /* what of CR LF, size, CR LF between two chunks was seen within a marker */
  char carry[MARKER_BYTES];
  uint32_t next[MAX_PUBLISHERS]; /* the sequence number expected from each publisher */
};

/* What the publishers have done since `publishers_begin`. */
struct published {
  uint64_t posted, answered, refused;
  uint64_t last; /* when the last answer was whole */
  struct histogram answers;
};

/* The answer to a post: longer ones are mistakes. */
#define ANSWER_BYTES 16384
struct answer {
  size_t filled;
  char text[ANSWER_BYTES];
};

void answer_clear(struct answer *a);
bool answer_whole(const struct answer *a, bool closed);
bool answer_accepted(const struct answer *a);
bool answer_closes(const struct answer *a);

/* Clocks in nanoseconds, CPU of user and system in ticks. */
struct sample {
  uint64_t wall, load, server, user, system;
};

uint64_t now_ns(void);
struct sample take_sample(const struct options *options);
void print_hearing(void);
void print_result(const struct sample *before, const struct sample *after);
void fail(const char *what);
void header_lines(char *to, size_t size, const char *tabbed);
int connect_to(const struct target *to, int source);

void streams_open(const struct options *options, int epoll);
void print_opened(const struct sample *before, const struct sample *opened, const struct sample *after);
void streams_begin(const struct run *run);
void streams_readable(int index);
int streams_live(void);
extern struct histogram heads; /* from the beginning of each stream's connection to its head */

void arrivals_begin(uint8_t run);
void arrivals_take(struct reader *r, const char *input, size_t length);
extern struct seen seen;

void publishers_init(const struct options *options, int epoll);
void publishers_begin(const struct run *run);
void publishers_poll(void);
void publishers_due(uint64_t now);
bool publishers_finished(void);
bool publishers_wait(void);
uint64_t publishers_next_due(void);
extern struct published published;

#endif
