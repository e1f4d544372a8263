// Which names are to be published in Route 53, and what services say of them in their status. Pure: it is told of every
// change in the store and of what the publisher achieved, and says what is wanted and what to write.
//
// A name is held back until the proxies have a listener for it: whoever owns the time and the pipeline releases it.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "controllers/route53_publisher.h"
#include "model/service.h"
#include "store/store.h"

namespace mesh {

struct Route53NamesSettings {
  std::string zone;     // of the mesh: generators may name a hosted zone for each
  std::string zone_id;  // the hosted zone of names by kuma.io/service; empty: they are not published
  std::string domain;   // of these names
};

class Route53Names {
 public:
  using NameKey = Route53Publisher::NameKey;
  explicit Route53Names(Route53NamesSettings settings) : settings_(std::move(settings)) {}

  // New names that came with the batch. They are held back until release(); those of the very first batch are not.
  struct News {
    std::vector<NameKey> names;
    std::set<std::string> meshes;  // whose proxies need a listener
  };
  News on_batch(const ChangeBatch& batch);
  void release(const std::vector<NameKey>& names);

  // The records that should be there. None: as before.
  std::optional<std::vector<WantedRecord>> take_wanted();

  void on_states(const Route53Publisher::States& states);
  void forget_states();  // another instance leads
  // Statuses that do not say yet what became of their names. Each is given once, and again when it could not be
  // written.
  std::vector<Write> take_writes(SystemTime now);
  void on_write_failed(const ResourceKey& key);

 private:
  struct Source {
    Resource resource;
    struct Name {
      WantedRecord record;
      std::string place;  // the generator's name, or the address in a block: where the status tells of it
    };
    std::vector<Name> names;
    bool waits = false;  // for the store to say what we wrote
  };

  void put(const Resource& resource, News& news);
  void remove(const ResourceKey& key);
  std::vector<Source::Name> names_of(const Resource& resource) const;
  void renew(Source& source, News& news);
  std::optional<Resource> with_conditions(const Source& source, SystemTime now) const;
  std::optional<Condition> condition_for(const Source::Name& name, const std::optional<Condition>& before,
                                         SystemTime now) const;
  static NameKey key_of(const WantedRecord& record);

  const Route53NamesSettings settings_;
  bool is_first_ = true, is_changed_ = false;
  std::map<std::string, std::string> zones_;  // by generator
  std::set<std::string> meshes_;
  std::map<ResourceKey, Source> sources_;
  std::multimap<NameKey, ResourceKey> users_;
  std::set<NameKey> held_;
  Route53Publisher::States states_;
  std::set<ResourceKey> unsaid_;  // sources whose status is to be looked at
};

}  // namespace mesh
