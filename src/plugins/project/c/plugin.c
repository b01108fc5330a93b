// shout: func(line: string) -> string, in the canonical ABI: a string comes as its address and
// length, and goes as the address of such a pair.

#include <stddef.h>
#include <stdint.h>

#define EXPORT(name) __attribute__((export_name(name)))

extern unsigned char __heap_base;
static uintptr_t next = 0;

// Every call gets a fresh instance, so memory is never given back.
static void *take(size_t bytes, size_t align) {
  if (next == 0) next = (uintptr_t)&__heap_base;
  uintptr_t start = (next + align - 1) & ~(uintptr_t)(align - 1);
  uintptr_t end = start + bytes;
  uintptr_t have = (uintptr_t)__builtin_wasm_memory_size(0) << 16;
  if (end < start) __builtin_trap();
  if (end > have && __builtin_wasm_memory_grow(0, (end - have + 65535) >> 16) == (size_t)-1)
    __builtin_trap();
  next = end;
  return (void *)start;
}

EXPORT("cabi_realloc")
void *cabi_realloc(void *old, size_t old_bytes, size_t align, size_t bytes) {
  unsigned char *made = take(bytes, align);
  const unsigned char *from = old;
  for (size_t i = 0; i < old_bytes && i < bytes; i++) made[i] = from[i];
  return made;
}

struct string {
  const char *start;
  size_t length;
};

EXPORT("shout")
struct string *shout(const char *line, size_t length) {
  char *made = take(length + 1, 1);
  for (size_t i = 0; i < length; i++) {
    char c = line[i];
    made[i] = c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c;
  }
  made[length] = '!';
  struct string *out = take(sizeof *out, sizeof(size_t));
  out->start = made;
  out->length = length + 1;
  return out;
}
