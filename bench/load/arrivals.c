/* What arrives at the streams: finds the markers, checks their order, and sees when an event is everywhere. */
#include "load.h"

#include <ctype.h>
#include <string.h>

/* Events of one publisher that can be on their way at once; one that is later than so many others is incomplete. */
#define EVENTS_ON_THE_WAY 4096

/* How many streams have had one event. */
struct arrival {
  uint32_t event; /* its sequence number and 1: 0 is no event */
  uint32_t streams;
};

struct seen seen;
static struct arrival arrivals[MAX_PUBLISHERS][EVENTS_ON_THE_WAY];
static uint8_t run_id;

void arrivals_begin(uint8_t run) {
  run_id = run;
  memset(&seen, 0, sizeof seen);
  memset(arrivals, 0, sizeof arrivals);
}

static uint64_t hex(const char *text, int digits) {
  uint64_t value = 0;
  for (int i = 0; i < digits; i++) {
    unsigned c = (unsigned char)text[i];
    value = value << 4 | (c <= '9' ? c - '0' : (c | 32) - 'a' + 10);
  }
  return value;
}

/* Hot path: once per delivery. The ring never waits for an event that is lost: a newer one takes its place. */
static void count_arrival(unsigned publisher, uint32_t sequence, uint64_t late) {
  struct arrival *a = &arrivals[publisher][sequence % EVENTS_ON_THE_WAY];
  if (a->event != sequence + 1) {
    if (a->event > sequence + 1) return;
    *a = (struct arrival){.event = sequence + 1};
  }
  if (++a->streams == (uint32_t)streams_live()) histogram_add(&seen.last_stream, late);
}

static void count_second(uint64_t late, uint64_t now) {
  if (seen.began == 0) seen.began = now;
  uint64_t second = (now - seen.began) / 1000000000;
  histogram_add(&seen.by_second[second < SECONDS_SEEN ? second : SECONDS_SEEN - 1], late);
}

/* Hot path: once per delivery. */
static void take_marker(struct reader *r, const char *marker, uint64_t now) {
  if (hex(marker + 1, 2) != run_id) {
    seen.stray++;
    return;
  }
  unsigned publisher = (unsigned)hex(marker + 3, 2) % MAX_PUBLISHERS;
  uint32_t sequence = (uint32_t)hex(marker + 5, 8);
  uint64_t stamp = hex(marker + 13, 16), late = now > stamp ? now - stamp : 0;
  if (sequence != r->next[publisher]) seen.out_of_order++;
  r->next[publisher] = sequence + 1;
  seen.deliveries++;
  seen.last = now;
  histogram_add(&seen.latency, late);
  count_second(late, now);
  count_arrival(publisher, sequence, late);
}

static void forget(struct reader *r) { r->kept = r->border = 0; }

/*
 * Slow path: a marker cut by the end of a read, or by the border of two HTTP chunks (CR LF, size, CR LF), is put
 * together byte by byte. Returns how many bytes it took; what turns out to be no marker is forgotten.
 */
static size_t take_slowly(struct reader *r, const char *bytes, size_t length, uint64_t now) {
  for (size_t i = 0; i < length; i++) {
    char c = bytes[i];
    if (c == '\r' || c == '\n') r->border = (r->border + 1) % 4;
    else if (r->border > 0) continue;
    else if (r->kept > 0 && !isxdigit((unsigned char)c)) return forget(r), i + 1;
    else r->carry[r->kept++] = c;
    if (r->kept < MARKER_BYTES) continue;
    take_marker(r, r->carry, now);
    return forget(r), i + 1;
  }
  return length;
}

/* Hot path: once per read. */
void arrivals_take(struct reader *r, const char *input, size_t length) {
  uint64_t now = now_ns();
  const char *end = input + length, *at = input;
  seen.bytes += length;
  if (r->kept > 0) at += take_slowly(r, at, length, now);
  while ((at = memchr(at, '@', (size_t)(end - at))) != NULL) {
    bool whole = end - at >= MARKER_BYTES && !memchr(at, '\r', MARKER_BYTES);
    if (whole) take_marker(r, at, now);
    at += whole ? MARKER_BYTES : (ptrdiff_t)take_slowly(r, at, (size_t)(end - at), now);
  }
}
