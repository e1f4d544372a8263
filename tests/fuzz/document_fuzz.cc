// Documents from outside: YAML, JSON, templates. Whatever comes in, no crash, no endless work; and what could be read
// prints as something that reads back as the same.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "model/builtin.h"
#include "model/json.h"
#include "model/resource.h"
#include "model/template.h"
#include "model/yaml.h"

using namespace mesh;

namespace {

const KindRegistry& kinds() {
  static const KindRegistry registry = [] {
    KindRegistry filled;
    add_builtin_kinds(filled);
    return filled;
  }();
  return registry;
}

void read_resource(const boost::json::value& document) {
  const auto parsed = parse_document(document, kinds());
  if (!parsed || !parsed->violations.empty()) return;
  std::vector<Violation> violations;
  const Kind& kind = *parsed->resource.key.kind;
  if (kind.validate != nullptr) kind.validate(parsed->resource.spec, violations);
  print_json(to_json(parsed->resource));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const DocumentLimits limits{.bytes = 1 << 16, .depth = 32, .expanded_bytes = 1 << 20};
  if (const auto json = parse_json(text, limits)) read_resource(*json);
  static_cast<void>(render_template(text, {{"name", "value"}}));
  const auto documents = parse_yaml(text, limits);
  if (!documents) return 0;
  for (const auto& document : *documents) {
    read_resource(document);
    // A number too large for 64 bits, or a fraction, may come back rounded differently: texts are compared.
    const std::string printed = print_yaml(document);
    const auto again = parse_yaml_document(printed, {.bytes = 1 << 24, .depth = 64, .expanded_bytes = 1 << 26});
    if (!again || print_yaml(*again) != printed) std::abort();
  }
  return 0;
}
