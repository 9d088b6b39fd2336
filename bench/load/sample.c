/* Clocks before and after a run, and the line of JSON made of the difference. */
#define _GNU_SOURCE
#include "load.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static uint64_t clock_ns(clockid_t clock) {
  struct timespec t;
  if (clock_gettime(clock, &t) != 0) fail("reading a clock (has the server ended?)");
  return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

uint64_t now_ns(void) { return clock_ns(CLOCK_MONOTONIC); }

/* CPU time of all server processes together, from the kernel's own nanosecond clock of each. */
static uint64_t server_cpu_ns(const struct options *options) {
  uint64_t sum = 0;
  for (int i = 0; i < options->server_count; i++) {
    clockid_t clock;
    if (clock_getcpuclockid(options->servers[i], &clock) != 0) fail("no such server process");
    sum += clock_ns(clock);
  }
  return sum;
}

/* Ticks spent in user space by all server processes: coarse, good enough for a share of a long run. */
static void server_ticks(const struct options *options, struct sample *s) {
  for (int i = 0; i < options->server_count; i++) {
    char path[64], text[1024];
    snprintf(path, sizeof path, "/proc/%d/stat", options->servers[i]);
    FILE *file = fopen(path, "r");
    size_t length = file ? fread(text, 1, sizeof text - 1, file) : 0;
    if (file) fclose(file);
    text[length] = 0;
    unsigned long u = 0, k = 0;
    char *after = strrchr(text, ')');
    if (after) sscanf(after + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &u, &k);
    s->user += u;
    s->system += k;
  }
}

struct sample take_sample(const struct options *options) {
  struct sample s = {.wall = now_ns(), .load = clock_ns(CLOCK_PROCESS_CPUTIME_ID), .server = server_cpu_ns(options)};
  server_ticks(options, &s);
  return s;
}

static void print_quantiles(const char *name, const struct histogram *h) {
  printf(",\"%s\":{\"p50Us\":%.1f,\"p99Us\":%.1f,\"p999Us\":%.1f,\"maxUs\":%.1f}", name,
         (double)histogram_quantile(h, 0.5) / 1e3, (double)histogram_quantile(h, 0.99) / 1e3,
         (double)histogram_quantile(h, 0.999) / 1e3, (double)h->max / 1e3);
}

static void print_by_second(void) {
  printf(",\"p99UsBySecond\":[");
  for (int i = 0; i < SECONDS_SEEN && seen.by_second[i].total > 0; i++)
    printf("%s%.1f", i > 0 ? "," : "", (double)histogram_quantile(&seen.by_second[i], 0.99) / 1e3);
  printf("]");
}

static void print_end(void) {
  printf("}\n");
  fflush(stdout);
}

/* Opening counts from the first connection to the last head, replay to the arrival of the last event. */
void print_opened(const struct sample *a, const struct sample *opened, const struct sample *b) {
  uint64_t replayed = seen.last > opened->wall ? seen.last : opened->wall;
  printf("{\"open\":%d,\"openSeconds\":%.6f,\"replaySeconds\":%.6f,\"deliveries\":%lu,\"outOfOrder\":%lu,"
         "\"serverCpuUs\":%.1f,\"loadCpuShare\":%.4f",
         streams_live(), (double)(opened->wall - a->wall) / 1e9, (double)(replayed - a->wall) / 1e9,
         seen.deliveries, seen.out_of_order, (double)(b->server - a->server) / 1e3,
         (double)(b->load - a->load) / (double)(b->wall - a->wall));
  print_quantiles("heads", &heads);
  print_end();
}

/* Whoever publishes may begin. */
void print_hearing(void) {
  printf("{\"hearing\":%d", streams_live());
  print_end();
}

/* A run in which something was lost waited in vain at its end: that wait is not in its seconds. */
static double seconds_of(const struct sample *a) {
  uint64_t last = seen.last > published.last ? seen.last : published.last;
  return last > a->wall ? (double)(last - a->wall) / 1e9 : 0;
}

void print_result(const struct sample *a, const struct sample *b) {
  double wall = (double)(b->wall - a->wall);
  uint64_t ticks = b->user - a->user + b->system - a->system;
  uint64_t accepted = published.answered - published.refused, complete = seen.last_stream.total;
  printf("{\"streams\":%d,\"posted\":%lu,\"refused\":%lu,\"deliveries\":%lu,\"outOfOrder\":%lu,"
         "\"stray\":%lu,\"closed\":%lu,\"bytes\":%lu,\"incomplete\":%lu,\"seconds\":%.6f,\"loadCpuShare\":%.4f,"
         "\"serverCpuUs\":%.1f,\"serverCpuShare\":%.4f,\"serverUserShare\":%.4f",
         streams_live(), published.posted, published.refused, seen.deliveries, seen.out_of_order, seen.stray,
         seen.closed, seen.bytes, accepted > complete ? accepted - complete : 0, seconds_of(a),
         (double)(b->load - a->load) / wall, (double)(b->server - a->server) / 1e3,
         (double)(b->server - a->server) / wall,
         ticks > 0 ? (double)(b->user - a->user) / (double)ticks : 0.0);
  print_quantiles("answers", &published.answers);
  print_quantiles("latency", &seen.latency);
  print_quantiles("lastStream", &seen.last_stream);
  print_by_second();
  print_end();
}
