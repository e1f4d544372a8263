#include "pipeline/certificates.h"

#include <algorithm>
#include <set>
#include <utility>

#include "base/log.h"
#include "envoy/names.h"
#include "envoy/secrets.h"

namespace mesh {
namespace {

// After four fifths of its life, and up to a twentieth earlier: those that were made together need not all be renewed
// at once.
SystemTime renewal_of(const KeyPair& pair, SystemTime issued, const std::string& name) {
  const auto life = pair.not_after - issued;
  const auto spread = static_cast<long>(std::hash<std::string>{}(name) % 1000);
  return issued + life * 4 / 5 - life / 20 * spread / 1000;
}

std::vector<std::string> names_of(const std::vector<CaBackend>& backends) {
  std::vector<std::string> out;
  for (const CaBackend& backend : backends) out.push_back(backend.name);
  return out;
}

}  // namespace

std::vector<std::string> identity_uris(const std::string& mesh, const Dataplane& dataplane) {
  std::map<std::string, std::set<std::string>> tags;
  for (const Inbound& inbound : dataplane.networking.inbound)
    for (const auto& [tag, value] : inbound.tags) tags[tag].insert(value);
  if (dataplane.networking.gateway)
    for (const auto& [tag, value] : dataplane.networking.gateway->tags) tags[tag].insert(value);
  std::vector<std::string> out;
  if (const auto services = tags.find(kServiceTag); services != tags.end())
    for (const std::string& service : services->second) out.push_back(envoy::names::spiffe_id(mesh, service));
  for (const auto& [tag, values] : tags)
    for (const std::string& value : values) out.push_back(envoy::names::tag_id(tag, value));
  return out;
}

std::string Certificates::MeshState::trusted_pem() const {
  std::string out = issuer->authority->root_pem();
  if (also_trusted.empty()) return out;
  if (!out.ends_with('\n')) out += '\n';
  return out + also_trusted;
}

NamedResourcePtr Certificates::MeshState::trust(const std::string& name) {
  if (trust_ == nullptr || trust_generation_ != generation || trust_->name != name) {
    trust_ = envoy::trust_secret(name, trusted_pem());
    trust_generation_ = generation;
  }
  return trust_;
}

bool Certificates::refresh(const MeshSnapshot& mesh, bool in_use) {
  const CaBackend* backend = mesh.spec().enabled_ca();
  if (backend == nullptr) {
    std::lock_guard lock(mutex_);
    return meshes_.erase(mesh.name) > 0;
  }
  Result<std::shared_ptr<const CertificateAuthority>> loaded = load_authority(mesh.name, *backend, secrets_);
  std::lock_guard lock(mutex_);
  MeshState& state = meshes_[mesh.name];
  state.supported = names_of(mesh.spec().mtls->backends);
  if (!loaded) {
    const std::string problem = loaded.error().message();
    if (state.problem != problem)
      MESH_LOG_WARN("pipeline", "mesh \"{}\": its CA \"{}\" cannot be used, and what was there before stays: {}",
                    mesh.name, backend->name, problem);
    state.problem = problem;
    return false;
  }
  state.problem.clear();
  return take_over(
      state, {*std::move(loaded), backend->name, workload_validity(*backend).value_or(std::chrono::hours(24))}, in_use);
}

bool Certificates::take_over(MeshState& state, Issuer issuer, bool in_use) {
  const auto step = [&](Step next) {
    state.step = next;
    state.generation = ++last_generation_;
    return true;
  };
  if (!state.issuer) {
    state.issuer = std::move(issuer);
    return step(Step::Settled);
  }
  if (issuer.authority->id() == state.issuer->authority->id()) {
    const bool turned_back = state.next.has_value();
    const bool changed = issuer.valid_for != state.issuer->valid_for || issuer.backend != state.issuer->backend;
    state.issuer = std::move(issuer);
    if (!turned_back && !changed) return false;
    if (turned_back) state.also_trusted.clear();
    state.next.reset();
    return step(turned_back ? Step::Settled : state.step);
  }
  if (state.next && issuer.authority->id() == state.next->authority->id()) return false;
  if (!in_use) {
    state.issuer = std::move(issuer);
    state.next.reset();
    state.also_trusted.clear();
    return step(Step::Settled);
  }
  // A root that was on its way out stays trusted for now as well: somebody may still show its certificates.
  const std::string& coming = issuer.authority->root_pem();
  if (state.step == Step::Issuing)
    state.also_trusted += "\n" + coming;
  else
    state.also_trusted = coming;
  state.next = std::move(issuer);
  return step(Step::Trusting);
}

bool Certificates::advance(const std::string& mesh) {
  std::lock_guard lock(mutex_);
  const auto found = meshes_.find(mesh);
  if (found == meshes_.end() || found->second.step == Step::Settled) return false;
  MeshState& state = found->second;
  if (state.step == Step::Trusting && state.next) {
    state.also_trusted = state.issuer->authority->root_pem();
    state.issuer = std::exchange(state.next, std::nullopt);
    state.step = Step::Issuing;
  } else {
    state.also_trusted.clear();
    state.step = Step::Settled;
  }
  state.generation = ++last_generation_;
  return true;
}

bool Certificates::is_rotating(const std::string& mesh) const {
  std::lock_guard lock(mutex_);
  const auto found = meshes_.find(mesh);
  return found != meshes_.end() && found->second.step != Step::Settled;
}

Result<Certificates::Bundle> Certificates::bundle_for(const MeshSnapshot& mesh, const Resource& dataplane,
                                                      const std::vector<SecretRef>& wanted) {
  static const auto nothing = std::make_shared<const NamedResourceList>();
  Bundle out;
  if (wanted.empty()) {
    out.resources = nothing;
    return out;
  }
  std::lock_guard lock(mutex_);
  const auto found = meshes_.find(mesh.name);
  if (found == meshes_.end() || !found->second.issuer)
    return error(ErrorKind::Unavailable, "the CA of mesh \"" + mesh.name + "\" is not usable");
  MeshState& state = found->second;
  auto resources = std::make_shared<NamedResourceList>();
  for (const SecretRef& ref : wanted) {
    if (ref.what == SecretRef::What::MeshCa) {
      resources->push_back(state.trust(ref.name));
    } else {
      MESH_TRY(NamedResourcePtr identity, identity_for(state, dataplane, ref.name, out.certificate));
      resources->push_back(std::move(identity));
    }
  }
  std::ranges::sort(*resources, {}, name_of_resource);
  out.resources = std::move(resources);
  out.generation = state.generation;
  return out;
}

Result<NamedResourcePtr> Certificates::identity_for(const MeshState& state, const Resource& dataplane,
                                                    const std::string& name, std::optional<ProxyCertificate>& made) {
  const Issuer& issuer = *state.issuer;
  const ProxyId proxy{dataplane.key.mesh, dataplane.key.name};
  std::vector<std::string> uris = identity_uris(proxy.mesh, dataplane.spec_as<Dataplane>());
  const SystemTime now = clock_.now();
  Identity& known = identities_[proxy];
  if (known.resource != nullptr && known.resource->name == name && known.authority == issuer.authority->id() &&
      known.uris == uris && known.valid_for == issuer.valid_for && now < known.renew_at)
    return known.resource;

  CertificateRequest request;
  request.uris = uris;
  request.valid_for = issuer.valid_for;
  MESH_TRY(const KeyPair pair, issuer.authority->issue(request, clock_));
  const SystemTime renew_at = renewal_of(pair, now, proxy.name);
  known = {std::move(uris), issuer.authority->id(), issuer.valid_for, renew_at,
           envoy::identity_secret(name, pair.certificate_pem, pair.key_pem)};
  ++made_;
  made = ProxyCertificate{now, pair.not_after, renew_at, issuer.backend, state.supported};
  return known.resource;
}

void Certificates::forget(const ProxyId& proxy) {
  std::lock_guard lock(mutex_);
  identities_.erase(proxy);
}

void Certificates::forget(const std::string& mesh) {
  std::lock_guard lock(mutex_);
  meshes_.erase(mesh);
}

std::uint64_t Certificates::made() const {
  std::lock_guard lock(mutex_);
  return made_;
}

}  // namespace mesh
