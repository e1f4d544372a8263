// Whoever runs in the task may send the sidecar's DNS server anything, and its answers from outside are of whoever sent
// them. Whatever the bytes are: what is answered is a short answer to that very query.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "sidecar/dns_message.h"

namespace {

using namespace mesh::sidecar;

void answer(std::string_view query, const MeshNames& names) {
  const auto question = read_question(query);
  const auto given = answer_query(query, names);
  const auto failed = fail_query(query, DnsFailure::Refused);
  if (failed.has_value() != question.has_value() || (given && !question)) std::abort();
  if (!question) return;
  if (question->end > query.size() || question->name.size() > 255) std::abort();
  if (!is_answer_to(*failed, query) || failed->size() > 512) std::abort();
  if (given && (!is_answer_to(*given, query) || given->size() > 512)) std::abort();
  if (given.has_value() != names.addresses.contains(question->name)) std::abort();
  if (read_question(*failed)) std::abort();  // an answer is no query
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  MeshNames names;
  names.addresses["kv.mesh.local"] = std::vector<Ipv4>(20, Ipv4{127, 1, 0, 3});
  names.addresses["a"] = {};
  answer(text, names);
  // The first half as an answer to the second.
  const std::string_view query = text.substr(size / 2);
  if (is_answer_to(text.substr(0, size / 2), query) && !read_question(query)) std::abort();
  if (const auto read = parse_mesh_names(text)) answer(text, *read);
  upstream_in(text, "127.0.0.1");
  return 0;
}
