#include "pipeline/last_seen_store.h"

#include "model/dataplane.h"
#include "model/mesh.h"
#include "model/proxy.h"
#include "model/secret.h"

namespace mesh {
namespace {

constexpr std::size_t kMostGlobalSecrets = 100;  // names may come from tokens that anybody made

using Recalled = std::optional<Result<Resource>>;

Error not_there(const ResourceKey& key) { return error(ErrorKind::NotFound, key.to_string() + " is not there"); }

SharedResource find_in(const SharedMap<std::string, SharedResource>& all, const std::string& name) {
  const SharedResource* there = all.get(name);
  return there == nullptr ? nullptr : *there;
}

SharedResource find_zone_proxy(const Snapshot& picture, const ResourceKey& key) {
  const std::optional<ProxyId> proxy = proxy_of_resource(key);
  const auto known = proxy ? picture.zone_proxies.find(*proxy) : picture.zone_proxies.end();
  return known == picture.zone_proxies.end() ? nullptr : known->second;
}

}  // namespace

Result<Resource> LastSeenStore::get(const ResourceKey& key) const {
  Result<Resource> answer = store_.get(key);
  if (!answer && answer.error().kind == ErrorKind::Unavailable) {
    std::optional<Result<Resource>> recalled = recall(key);
    return recalled ? *std::move(recalled) : std::move(answer);
  }
  if (key.kind == &kGlobalSecretKind) remember(key, answer);
  return answer;
}

void LastSeenStore::remember(const ResourceKey& key, const Result<Resource>& answer) const {
  if (!answer && answer.error().kind != ErrorKind::NotFound) return;
  std::lock_guard lock(mutex_);
  if (!global_secrets_.contains(key.name) && global_secrets_.size() >= kMostGlobalSecrets) return;
  global_secrets_[key.name] = answer ? std::optional(*answer) : std::nullopt;
}

// Nothing: it is not known. That a secret is not there is known, too: a list of what is revoked may have to be missing.
std::optional<Result<Resource>> LastSeenStore::recall(const ResourceKey& key) const {
  if (key.kind == &kGlobalSecretKind) {
    std::lock_guard lock(mutex_);
    const auto known = global_secrets_.find(key.name);
    if (known == global_secrets_.end()) return std::nullopt;
    return known->second ? Recalled(*known->second) : Recalled(not_there(key));
  }
  const std::shared_ptr<const Snapshot> picture = picture_();
  if (picture == nullptr) return std::nullopt;
  const std::shared_ptr<const MeshSnapshot> mesh = picture->find(key.kind == &kMeshKind ? key.name : key.mesh);
  SharedResource known;
  if (key.kind == &kMeshKind)
    known = mesh ? mesh->mesh : nullptr;
  else if (key.kind == &kDataplaneKind)
    known = mesh ? find_in(mesh->dataplanes, key.name) : nullptr;
  else if (key.kind == &kSecretKind && mesh)
    known = find_in(mesh->secrets, key.name);
  else
    known = find_zone_proxy(*picture, key);
  if (known != nullptr) return Recalled(*known);
  return key.kind == &kSecretKind && mesh ? Recalled(not_there(key)) : std::nullopt;
}

}  // namespace mesh
