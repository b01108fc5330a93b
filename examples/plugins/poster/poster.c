// Pictures in few shades, in the canonical ABI of WebAssembly components: a record comes as its
// fields one by one, a list as its address and length; what is larger than one number goes as an
// address.

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

enum look { PLAIN, GREY, NEGATIVE };

// result<image, string>
struct posterised {
  uint8_t failed;
  union {
    struct {
      uint32_t width, height;
      uint8_t *pixels;
      size_t count;
    } picture;
    struct {
      const char *start;
      size_t length;
    } message;
  };
};

EXPORT("posterise")
struct posterised *posterise(uint32_t width, uint32_t height, uint8_t *pixels, size_t count,
                             uint32_t levels, uint32_t look) {
  struct posterised *out = take(sizeof *out, _Alignof(struct posterised));
  if (levels < 2) {
    static const char why[] = "a picture of fewer than 2 levels has nothing to show";
    out->failed = 1;
    out->message.start = why;
    out->message.length = sizeof why - 1;
    return out;
  }
  uint8_t shade[256];
  for (uint32_t value = 0; value < 256; value++) {
    uint32_t step = value * levels / 256;
    shade[value] = step * 255 / (levels - 1);
  }
  for (size_t i = 0; i + 2 < count; i += 3) {
    if (look == GREY) {
      // The weights of BT.601, as whole numbers.
      uint32_t grey = (299 * pixels[i] + 587 * pixels[i + 1] + 114 * pixels[i + 2]) / 1000;
      pixels[i] = pixels[i + 1] = pixels[i + 2] = grey;
    }
    for (size_t c = i; c < i + 3; c++) {
      uint8_t made = shade[pixels[c]];
      pixels[c] = look == NEGATIVE ? 255 - made : made;
    }
  }
  out->failed = 0;
  out->picture.width = width;
  out->picture.height = height;
  out->picture.pixels = pixels;
  out->picture.count = count;
  return out;
}

struct colour {
  uint8_t red, green, blue;
};

EXPORT("mean-colour")
struct colour *mean_colour(uint32_t width, uint32_t height, const uint8_t *pixels, size_t count) {
  (void)width, (void)height;
  uint64_t sums[3] = {0, 0, 0};
  for (size_t i = 0; i < count; i++) sums[i % 3] += pixels[i];
  uint64_t each = count < 3 ? 1 : count / 3;
  struct colour *out = take(sizeof *out, 1);
  out->red = sums[0] / each;
  out->green = sums[1] / each;
  out->blue = sums[2] / each;
  return out;
}
