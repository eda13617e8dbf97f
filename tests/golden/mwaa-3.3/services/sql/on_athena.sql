
WITH dear AS (SELECT item, price FROM sales WHERE price > 10)
SELECT item, max(price) AS top FROM dear GROUP BY item
