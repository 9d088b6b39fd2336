/* Latencies of millions of deliveries, kept in a fixed table. */
#include "load.h"

/* Values below 64 have a step of their own; above, the top six bits after the leading one choose the step. */
static unsigned step_of(uint64_t value) {
  if (value < HISTOGRAM_STEPS) return (unsigned)value;
  unsigned shift = 63 - 6 - (unsigned)__builtin_clzll(value);
  return (shift + 1) * HISTOGRAM_STEPS + (unsigned)((value >> shift) - HISTOGRAM_STEPS);
}

static uint64_t value_of(unsigned step) {
  if (step < HISTOGRAM_STEPS) return step;
  unsigned shift = step / HISTOGRAM_STEPS - 1;
  return (uint64_t)(step % HISTOGRAM_STEPS + HISTOGRAM_STEPS) << shift;
}

/* Hot path: once per delivery. */
void histogram_add(struct histogram *h, uint64_t value) {
  h->counts[step_of(value)]++;
  h->total++;
  if (value > h->max) h->max = value;
}

uint64_t histogram_quantile(const struct histogram *h, double q) {
  uint64_t rank = (uint64_t)(q * (double)h->total), below = 0;
  if (rank >= h->total && h->total > 0) rank = h->total - 1;
  for (unsigned step = 0; step < HISTOGRAM_OCTAVES * HISTOGRAM_STEPS; step++) {
    below += h->counts[step];
    if (below > rank) return value_of(step);
  }
  return 0;
}
