/* When the answer to a post is whole: known by its length, by its last chunk, or by the end of the connection. */
#define _GNU_SOURCE
#include "load.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char LAST_CHUNK[] = "\r\n0\r\n\r\n";

void answer_clear(struct answer *a) {
  a->filled = 0;
  a->text[0] = 0;
}

/* The value of a field of the head that ends at `body`, or NULL. `name` with both its colon and the CR LF before it. */
static const char *field(const struct answer *a, const char *name, const char *body) {
  const char *at = strcasestr(a->text, name);
  return at && at < body ? at + strlen(name) + strspn(at + strlen(name), " ") : NULL;
}

static bool is_chunked(const struct answer *a, const char *body) {
  const char *coding = field(a, "\r\nTransfer-Encoding:", body);
  return coding && strncasecmp(coding, "chunked", 7) == 0;
}

/* The CR LF before the last chunk is the end of the chunk before it, or of the head. */
static bool has_last_chunk(const struct answer *a) {
  size_t length = sizeof LAST_CHUNK - 1;
  return a->filled >= length && memcmp(a->text + a->filled - length, LAST_CHUNK, length) == 0;
}

/* `closed`: the server will send nothing more. */
bool answer_whole(const struct answer *a, bool closed) {
  if (a->filled == sizeof a->text - 1) errno = EMSGSIZE, fail("an answer");
  const char *end = strstr(a->text, "\r\n\r\n");
  if (!end) return false;
  const char *body = end + 4, *length = field(a, "\r\nContent-Length:", body);
  if (length) return a->filled >= (size_t)(body - a->text) + strtoul(length, NULL, 10);
  if (is_chunked(a, body)) return has_last_chunk(a);
  return closed || strncmp(a->text + 8, " 204", 4) == 0;
}

bool answer_accepted(const struct answer *a) {
  return strncmp(a->text, "HTTP/1.", 7) == 0 && strncmp(a->text + 8, " 2", 2) == 0;
}

/* A connection that is about to be closed takes no other post. */
bool answer_closes(const struct answer *a) {
  const char *end = strstr(a->text, "\r\n\r\n");
  const char *connection = field(a, "\r\nConnection:", end);
  if (!connection) return strncmp(a->text, "HTTP/1.0", 8) == 0;
  return strncasecmp(connection, "close", 5) == 0;
}
