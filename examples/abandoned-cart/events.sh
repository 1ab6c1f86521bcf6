#!/bin/sh
# What a shop sends. TOKEN is made by: campaigns tokens create --user usr_shop --scope events:write
URL=${URL:-http://127.0.0.1:8080}

send() {
  curl --fail --silent --show-error "$URL/events" \
    --header "Authorization: Bearer $TOKEN" --header "Content-Type: application/json" --data "$1"
  echo
}

send '{"type": "cart.abandoned", "key": "cart-881-abandoned",
       "contact": {"externalId": "C-10226", "phone": "+12127365000", "email": "bob@example.com", "firstName": "Bob"},
       "data": {"cartId": "cart-881", "total": 42.5, "url": "https://shop.example.com/cart/881",
                "items": [{"name": "A lamp"}, {"name": "Two bulbs"}]}}'

send '{"type": "order.placed", "key": "cart-881-order",
       "contact": {"externalId": "C-10226"}, "data": {"cartId": "cart-881"}}'
