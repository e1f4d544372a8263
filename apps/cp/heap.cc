#include "cp/heap.h"

#include <link.h>
#include <malloc.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>

namespace mesh {
namespace {

// With two, threads waited for each other: one in ten CPU seconds of a policy change went there.
constexpr int kHeaps = 4;
constexpr Duration kPause = std::chrono::seconds(10);
constexpr long kCalm = 256;      // pages in a pause
constexpr long kWorthIt = 1024;  // four times what comes back at once, since it is used

long pages_so_far() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_minflt;
}

// What a program file holds that cannot be written is the file's own, to be had again at any time. (Only debuggers
// write there: breakpoints that they set before are gone.)
int unmap_constant_parts(dl_phdr_info* file, std::size_t, void*) {
  const auto page = static_cast<std::uintptr_t>(sysconf(_SC_PAGESIZE));
  for (std::size_t i = 0; i < file->dlpi_phnum; ++i) {
    const ElfW(Phdr)& part = file->dlpi_phdr[i];
    if (part.p_type != PT_LOAD || (part.p_flags & PF_W) != 0) continue;
    const std::uintptr_t from = (file->dlpi_addr + part.p_vaddr) / page * page;
    const std::uintptr_t to = file->dlpi_addr + part.p_vaddr + part.p_memsz;
    madvise(reinterpret_cast<void*>(from), to - from, MADV_DONTNEED);
  }
  return 0;
}

}  // namespace

void share_heaps() { mallopt(M_ARENA_MAX, kHeaps); }

void HeapTrim::start() {
  timer_ = strand_.after(kPause, [weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->look();
  });
}

// Pages that the program came by tell how much there may be to give back. While it comes by many, what is free is
// wanted again; once it has become calm, and has come by enough since we did it last, it is worth the walk.
void HeapTrim::look() {
  const long pages = pages_so_far();
  const bool is_calm = pages - pages_ < kCalm;
  pages_ = pages;
  if (is_calm && pages - pages_when_trimmed_ >= kWorthIt) {
    malloc_trim(0);
    dl_iterate_phdr(unmap_constant_parts, nullptr);
    pages_when_trimmed_ = pages;
  }
  start();
}

}  // namespace mesh
