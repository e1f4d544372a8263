// Two things that strangers can feed: the bytes of a discovery request, and the order of events on a stream. The first
// byte says which; in the second case every byte is an event, and what must always hold is checked.
#include <cstdint>
#include <cstdlib>
#include <set>
#include <string>
#include <string_view>

#include "ads/messages.h"
#include "delta/discovery_state.h"

namespace {

using mesh::Encoding;

void require(bool holds) {
  if (!holds) std::abort();
}

class Bytes {
 public:
  explicit Bytes(std::string_view rest) : rest_(rest) {}
  bool empty() const { return rest_.empty(); }
  unsigned next(unsigned below) {
    if (rest_.empty()) return 0;
    const auto byte = static_cast<unsigned char>(rest_.front());
    rest_.remove_prefix(1);
    return byte % below;
  }

 private:
  std::string_view rest_;
};

std::vector<std::string> names(Bytes& bytes) {
  std::vector<std::string> names;
  for (unsigned i = bytes.next(4); i > 0; --i)
    names.push_back(bytes.next(8) == 0 ? "*" : std::string(1, static_cast<char>('a' + bytes.next(4))));
  return names;
}

mesh::NamedResources resources(Bytes& bytes) {
  mesh::NamedResourceList list;
  for (char name = 'a'; name < 'e'; ++name) {
    if (const unsigned version = bytes.next(4); version > 0)
      list.push_back(mesh::make_named(std::string(1, name), std::to_string(version), mesh::make_bytes("body")));
  }
  return std::make_shared<const mesh::NamedResourceList>(std::move(list));
}

class Stream {
 public:
  explicit Stream(Encoding encoding) : encoding_(encoding), state_(encoding, mesh::kXdsPlan) {}

  void event(Bytes& bytes) {
    const std::size_t type = bytes.next(static_cast<unsigned>(mesh::kXdsPlan.size()));
    switch (bytes.next(6)) {
      case 0: {
        std::vector<mesh::NamedResources> offer(type + 1);
        offer[type] = resources(bytes);
        return take(state_.on_offer(offer));
      }
      case 1: return take(state_.set_paused(bytes.next(2) == 0));
      case 2: return take(state_.set_removals_held(bytes.next(2) == 0));
      default: return request(type, bytes);
    }
  }

 private:
  void request(std::size_t type, Bytes& bytes) {
    const std::string nonce = bytes.next(4) == 0 ? std::to_string(bytes.next(9)) : nonces_[type];
    std::optional<std::string> refusal;
    if (bytes.next(3) == 0) refusal = "no";
    if (encoding_ == Encoding::Delta) {
      mesh::DeltaRequest request{.subscribe = names(bytes),
                                 .unsubscribe = names(bytes),
                                 .initial_versions = {},
                                 .nonce = nonce,
                                 .refusal = refusal};
      for (const auto& name : names(bytes)) request.initial_versions[name] = std::to_string(bytes.next(4) + 1);
      take(*state_.on_request(type, std::move(request)));
    } else {
      take(*state_.on_request(
          type, mesh::SotwRequest{.version = "", .names = names(bytes), .nonce = nonce, .refusal = refusal}));
    }
  }

  void take(const mesh::Actions& actions) {
    for (const auto& action : actions) {
      if (const auto* push = std::get_if<mesh::Push>(&action)) {
        require(in_flight_.insert(push->type).second);  // one push in flight per type
        std::set<std::string> seen;
        for (const auto& resource : push->resources)
          require(resource.body() && !resource.version().empty() && seen.insert(resource.name()).second);
        for (const auto& name : push->removed) require(seen.insert(name).second);
        require(push->removed.empty() || encoding_ == Encoding::Delta);
        nonces_[push->type] = push->nonce;
      } else if (const auto* accepted = std::get_if<mesh::Accepted>(&action)) {
        require(in_flight_.erase(accepted->type) == 1);
      } else {
        require(in_flight_.erase(std::get<mesh::Refused>(action).type) == 1);
      }
    }
    for (std::size_t type = 0; type < mesh::kXdsPlan.size(); ++type)
      require(state_.is_in_flight(type) == in_flight_.contains(type));
  }

  Encoding encoding_;
  mesh::DiscoveryState state_;
  std::set<std::size_t> in_flight_;
  std::map<std::size_t, std::string> nonces_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 4) {
    case 0: (void)mesh::parse_sotw_request(rest); break;
    case 1: (void)mesh::parse_delta_request(rest); break;
    default: {
      Stream stream(data[0] % 4 == 2 ? Encoding::Delta : Encoding::StateOfTheWorld);
      for (Bytes bytes(rest); !bytes.empty();) stream.event(bytes);
    }
  }
  return 0;
}
